"""What each part of a preset is worth: the same run without it, judged by the quick protocol.

`pytest tests/benchmarks/test_ablations.py -m benchmark -s` takes an hour on two cores; `-k`
chooses, such as `-k "digits and undrawn"`. One training and one classifier a row: half a point is
noise.
"""

import dataclasses

import pytest
import torch

import safegen
from safegen.data.sources import load
from safegen.evaluation.classifier import Labelled, fit
from safegen.evaluation.measure import drawn_labels
from safegen.evaluation.protocols import QUICK, default_augment
from safegen.modality.image import to_bytes
from safegen.package import files
from safegen.pipeline.generate.model import open_generator
from safegen.pipeline.train import run
from safegen.provenance.keys import pki
from safegen.training.releases import fitting

pytestmark = pytest.mark.benchmark

EPSILON = 1.0


def without_average(chosen):
    return dataclasses.replace(
        chosen, recipe=chosen.recipe.model_copy(update={"average_decay": 0.0})
    )


def without_grain(chosen):
    return dataclasses.replace(
        chosen,
        architecture=chosen.architecture.model_copy(update={"grain": False}),
        shares=tuple(each for each in chosen.shares if each.purpose != "grain"),
    )


def without_judge(chosen):
    return dataclasses.replace(
        chosen,
        architecture=chosen.architecture.model_copy(update={"judged": False}),
        shares=tuple(each for each in chosen.shares if each.purpose != "judge"),
    )


# By what `-k` chooses it: what is said of a row; options of `train`; a change of the preset.
ROWS = {
    "preset": ("the preset", {}, None),
    "subjectless": ("drawn pictures of no subject", {"prior": "leaves"}, None),
    "undrawn": ("no drawn pictures", {"prior": "none"}, None),
    "released": (
        "moments instead of drawn pictures", {"prior": "none", "warm_start": "moments"}, None
    ),
    "both": ("moments and drawn pictures", {"warm_start": "moments"}, None),
    "unstepped": ("releases alone, and one step", {"steps": 1}, None),
    "unaveraged": ("no averaged weights", {}, without_average),
    "narrow": ("codes no wider than the records'", {}, None),
    "smooth": ("no grain", {}, without_grain),
    "unjudged": ("no judge, and its share for the steps", {}, without_judge),
}  # fmt: skip


def accuracy(folder, test):
    """Of one classifier of the quick protocol, trained on the package's pictures alone."""
    generator = open_generator(files.read(folder))
    labels = drawn_labels(QUICK.pictures, generator.classes, generator.prior.weights.numpy())
    parts = torch.from_numpy(labels).split(1000)
    made = torch.cat([generator.sample(part, place) for place, part in enumerate(parts)])
    classifier = fit(
        Labelled(pictures=to_bytes(made.numpy()), labels=labels),
        generator.classes,
        "cnn",
        QUICK,
        augment=default_augment(test.card.name, "quick"),
        seed=0,
        device=torch.device("cpu"),
    )
    return float((classifier.probabilities(test.images).argmax(1) == test.labels).mean())


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"], ids=["digits", "garments"])
def test_what_each_part_is_worth(name, row, shared_data, tmp_path, monkeypatch):
    words, options, change = ROWS[row]
    if row == "narrow":
        monkeypatch.setattr(fitting, "COMPONENT_SCALE", 1.0)
    if change is not None:
        whole = run.preset_for
        monkeypatch.setattr(run, "preset_for", lambda *wish: change(whole(*wish)))
    pki.init(tmp_path / "keys")
    safegen.train(
        name,
        out=tmp_path / "model",
        epsilon=EPSILON,
        data_root=shared_data,
        keys=tmp_path / "keys",
        ledger=tmp_path / "ledger.db",
        budget=str(tmp_path / "budget.db"),
        **options,
    )
    test = load(name, data_root=shared_data, split="test")
    print(f"\n| {name}, epsilon {EPSILON:g} | {words} | {accuracy(tmp_path / 'model', test):.2%} |")
