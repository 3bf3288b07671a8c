"""What keeps the pictures of Fashion-MNIST's VAE at epsilon 10 from teaching as records do.

`pytest tests/benchmarks/test_limits.py -m benchmark -s` takes half an hour on two cores. One
training by the preset; then one thing is made perfect at a time by looking at the records, which
is not private and is done to measure alone. Three classifiers of the quick protocol a row.
"""

import numpy as np
import pytest
import torch

import safegen
from safegen.audit.classifier import Labelled, fit
from safegen.audit.protocols import QUICK
from safegen.data.sources import load
from safegen.modality.image import to_bytes
from safegen.models.generator import one_hot
from safegen.models.grain import Grain, roughness
from safegen.pipeline.measure import drawn_labels
from safegen.provenance import pki
from safegen.training import elbo, fitting

pytestmark = pytest.mark.benchmark

NAME, EPSILON, SEEDS, BANKED = "fashion-mnist", 10.0, (0, 1, 2), 20_000


@pytest.fixture(scope="module")
def fitted(shared_data, tmp_path_factory):
    """Network, generator and records, as they are when a generator has been fitted."""
    folder, kept = tmp_path_factory.mktemp("limits"), []
    pki.init(folder / "keys")

    def keeping(network, architecture, records, plan, **rest):
        made = fitting.fit_generator(network, architecture, records, plan, **rest)
        kept[:] = [network.eval(), made.eval(), records]
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elbo, "fit_generator", keeping)
        safegen.train(
            NAME, out=folder / "model", epsilon=EPSILON, data_root=shared_data,
            keys=folder / "keys", ledger=folder / "ledger.db", budget=str(folder / "budget.db"),
        )  # fmt: skip
    return kept


def test_what_the_judge_knows(fitted, shared_data):
    _, generator, _ = fitted
    test = load(NAME, data_root=shared_data, split="test")
    right = named(generator, torch.from_numpy(test.images)).numpy() == test.labels
    print(f"\n| the judge itself, asked about the test set | {right.mean():.2%} |")


def test_as_they_come(fitted, shared_data):
    show("the preset's pictures", shared_data, lambda seed: sampled(fitted[1], seed))


def test_perfect_codes(fitted, shared_data):
    show("codes of the records themselves", shared_data, lambda seed: decoded(*fitted, seed))


def test_perfect_texture(fitted, shared_data, monkeypatch):
    missed = torch.cat(list(misses(*fitted)))

    def draw(_, count, source, rows=slice(None)):
        return missed[torch.randint(len(missed), (count,), generator=source)[rows]]

    monkeypatch.setattr(Grain, "draw", draw)
    show(
        "what other records' decoding misses, for grain", shared_data,
        lambda seed: sampled(fitted[1], seed),
    )  # fmt: skip


def show(words, shared_data, made):
    """Print the accuracy of classifiers trained on what is made for each seed."""
    test = load(NAME, data_root=shared_data, split="test")
    found = []
    for seed in SEEDS:
        classifier = fit(
            made(seed), 10, "cnn", QUICK, augment="none", seed=seed, device=torch.device("cpu")
        )
        right = classifier.probabilities(test.images).argmax(1) == test.labels
        found.append(100 * right.mean())
    print(f"\n| {words} | {np.mean(found):.2f} ± {np.std(found, ddof=1):.2f} |")


def sampled(generator, seed):
    labels = drawn_labels(QUICK.pictures, 10, generator.prior.weights.numpy())
    parts = torch.from_numpy(labels).split(1000)
    made = [generator.sample(part, seed * 1000 + place) for place, part in enumerate(parts)]
    return Labelled(pictures=to_bytes(torch.cat(made).numpy()), labels=labels)


@torch.no_grad()
def decoded(network, generator, records, seed):
    """Records decoded from their own codes, with grain, as far as the judge agrees."""
    source = torch.Generator().manual_seed(seed)
    pictures, labels = [], []
    for rows in torch.randperm(len(records.labels), generator=source).split(1000):
        shown, mine = records.rows(rows.numpy())
        onehot = one_hot(mine, 10)
        smooth = generator.decoded(network.encode(shown, onehot)[0], onehot)
        made = generator.grain(smooth, generator.grain.draw(len(rows), source))
        agreed = generator.judge(made).argmax(1) == mine
        pictures.append(to_bytes(made[agreed].numpy()))
        labels.append(mine[agreed].numpy())
    return Labelled(pictures=np.concatenate(pictures), labels=np.concatenate(labels)).rows(
        slice(QUICK.pictures)
    )


@torch.no_grad()
def misses(network, generator, records):
    """What decoding leaves out of some records, in the units of grain."""
    for start in range(0, BANKED, 1000):
        shown, labels = records.rows(np.arange(start, start + 1000))
        onehot = one_hot(labels, 10)
        smooth = generator.decoded(network.encode(shown, onehot)[0], onehot)
        yield (shown - smooth) / roughness(smooth)


@torch.no_grad()
def named(generator, pictures):
    """The judge's labels (n,) of pictures (n, channels, height, width), uint8."""
    parts = [generator.judge(part.float() / 255) for part in pictures.split(1000)]
    return torch.cat(parts).argmax(1)
