"""What keeps the pictures of VAEs at epsilon 10 from teaching as records do.

`pytest tests/benchmarks/test_limits.py -m benchmark -s` takes an hour on two cores; `-k digits` or
`-k garments` chooses. One training by the preset; then one thing is made perfect at a time by
looking at the records, which is not private and is done to measure alone. Three classifiers of the
quick protocol a row.
"""

import numpy as np
import pytest
import torch

import safegen
from safegen.data.sources import load
from safegen.evaluation.classifier import Labelled, fit
from safegen.evaluation.measure import drawn_labels
from safegen.evaluation.protocols import QUICK, default_augment
from safegen.modality.image import to_bytes
from safegen.models.generator import one_hot
from safegen.models.residual_noise import ResidualNoise, roughness
from safegen.privacy.mechanism import opening
from safegen.provenance.keys import pki
from safegen.training.objectives import vae
from safegen.training.releases import fitting

pytestmark = pytest.mark.benchmark

EPSILON, SEEDS, BANKED = 10.0, (0, 1, 2), 20_000


@pytest.fixture(scope="module", params=["mnist", "fashion-mnist"], ids=["digits", "garments"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(name, shared_data, tmp_path_factory):
    """Network, generator and records, as they are when a generator has been fitted."""
    folder, kept = tmp_path_factory.mktemp("limits"), []
    pki.init(folder / "keys")

    def keeping(network, architecture, records, releases, **rest):
        made = fitting.fit_generator(network, architecture, records, releases, **rest)
        kept[:] = [network.eval(), made.eval(), records]
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae, "fit_generator", keeping)
        safegen.train(
            name, out=folder / "model", epsilon=EPSILON, data_root=shared_data,
            keys=folder / "keys", ledger=folder / "ledger.db", budget=str(folder / "budget.db"),
        )  # fmt: skip
    return kept


@pytest.fixture(scope="module")
def test_set(name, shared_data):
    return load(name, data_root=shared_data, split="test")


def test_what_the_judge_knows(fitted, test_set):
    _, generator, _ = fitted
    if generator.judge is None:
        pytest.skip("no judge here")
    parts = torch.from_numpy(test_set.images).split(1000)
    with torch.no_grad():
        named = torch.cat([generator.judge(part.float() / 255) for part in parts]).argmax(1)
    right = named.numpy() == test_set.labels
    print(f"\n| {test_set.card.name} | the judge itself, on the test set | {right.mean():.2%} |")


def test_as_they_come(fitted, test_set):
    show("the preset's pictures", test_set, lambda seed: sampled(fitted[1], seed))


def test_perfect_codes(fitted, test_set):
    show("codes of the records themselves", test_set, lambda seed: decoded(*fitted, seed))


def test_perfect_texture(fitted, test_set, monkeypatch):
    if fitted[1].grain is None:
        pytest.skip("no grain here")
    missed = torch.cat(list(misses(*fitted)))

    def draw(_, count, source, rows=slice(None)):
        return missed[torch.randint(len(missed), (count,), generator=source)[rows]]

    monkeypatch.setattr(ResidualNoise, "draw", draw)
    words = "what other records' decoding misses, for grain"
    show(words, test_set, lambda seed: sampled(fitted[1], seed))


def show(words, test_set, made):
    """Print the accuracy of classifiers trained on what is made for each seed."""
    name = test_set.card.name
    augment, found = default_augment(name, "quick"), []
    for seed in SEEDS:
        classifier = fit(
            made(seed), 10, "cnn", QUICK, augment=augment, seed=seed, device=torch.device("cpu")
        )
        right = classifier.probabilities(test_set.images).argmax(1) == test_set.labels
        found.append(100 * right.mean())
    print(f"\n| {name} | {words} | {np.mean(found):.2f} ± {np.std(found, ddof=1):.2f} |")


def sampled(generator, seed):
    labels = drawn_labels(QUICK.pictures, 10, generator.prior.weights.numpy())
    parts = torch.from_numpy(labels).split(1000)
    made = [generator.sample(part, seed * 1000 + place) for place, part in enumerate(parts)]
    return Labelled(pictures=to_bytes(torch.cat(made).numpy()), labels=labels)


@torch.no_grad()
def decoded(network, generator, records, seed):
    """Records decoded from their own codes; with grain, and as far as the judge agrees."""
    source = torch.Generator().manual_seed(seed)
    pictures, labels = [], []
    for rows in torch.randperm(len(records._held.labels), generator=source).split(1000):
        shown, mine = opening.rows_of(records, rows.numpy())
        onehot = one_hot(mine, 10)
        made = generator.decoded(network.encode(shown, onehot)[0], onehot)
        if generator.grain is not None:
            made = generator.grain(made, generator.grain.draw(len(rows), source))
        agreed = torch.ones_like(mine, dtype=torch.bool)
        if generator.judge is not None:
            agreed = generator.judge(made).argmax(1) == mine
        pictures.append(to_bytes(made[agreed].numpy()))
        labels.append(mine[agreed].numpy())
    everything = Labelled(pictures=np.concatenate(pictures), labels=np.concatenate(labels))
    return everything.rows(slice(QUICK.pictures))


@torch.no_grad()
def misses(network, generator, records):
    """What decoding leaves out of some records, in the units of grain."""
    for start in range(0, BANKED, 1000):
        shown, labels = opening.rows_of(records, np.arange(start, start + 1000))
        onehot = one_hot(labels, 10)
        smooth = generator.decoded(network.encode(shown, onehot)[0], onehot)
        yield (shown - smooth) / roughness(smooth)
