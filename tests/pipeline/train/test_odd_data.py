"""Data sets that are small, lopsided or dull go the whole way, or are refused in one sentence."""

import numpy as np
import pytest
import torch
from PIL import Image

import safegen
from safegen.data.dataset import assemble
from safegen.errors import PlanError
from safegen.pipeline.train.networks import throwaway
from safegen.pipeline.train.sealing import sealed
from safegen.privacy.accounting.plan import Workload, plan_within
from safegen.privacy.mechanism.engine import Settings
from safegen.privacy.mechanism.releases import Releases
from safegen.provenance.keys import pki
from safegen.training.presets.registry import preset

FAMILIES = ["vae", "gan"]
NOISE = np.random.default_rng(0).integers(0, 256, (40, 1, 28, 28), dtype=np.uint8)
DULL_IS_FINE = """
name: dull-is-fine
description: As baseline, and a flat picture may leave, too.
rules:
  - {id: asked, stage: request, require: request.purpose != "", because: A test asks.}
  - {id: signed, stage: release, require: output.signed, because: A test asks.}
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd") / "keys"
    pki.init(folder)
    return folder


@pytest.fixture
def train(keys, tmp_path):
    def begin(data, steps=3, prior="none", **wishes):
        return safegen.train(
            data,
            prior=prior,
            out=tmp_path / "model",
            canaries=0,
            steps=steps,
            keys=keys,
            ledger=tmp_path / "ledger.db",
            budget=str(tmp_path / "budget.db"),
            **wishes,
        )

    return begin


def records(images=NOISE, labels=None, classes=("all",)):
    labels = np.zeros(len(images), dtype=np.int64) if labels is None else np.asarray(labels)
    return assemble(images, labels, classes, name="odd", source="a test", licence="none")


def samples(model):
    with pytest.warns(safegen.UnsafeWarning):
        made = model.unsafe_sample(4, reason="a test", seed=0)
    assert np.isfinite(made).all()
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_one_class_goes_the_whole_way(train, keys, tmp_path, family):
    train(records(), model=family)
    (tmp_path / "any.yaml").write_text(DULL_IS_FINE)
    model = safegen.load(
        tmp_path / "model",
        keys=keys,
        ledger=tmp_path / "ledger.db",
        policy=tmp_path / "any.yaml",
    )
    release = model.generate(2, label="all", seed=0, purpose="a test")
    paths = release.save(tmp_path / "out")
    assert safegen.verify(paths[0], trust=keys / "root.pem").state == "trusted"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_of_three_records_trains(train, family):
    lopsided = records(labels=[0] * 37 + [1] * 3, classes=("usual", "rare"))
    assert samples(train(lopsided, model=family)).shape == (4, 1, 28, 28)


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_of_one_colour_give_finite_ones(train, family, value):
    dull = records(np.full((40, 1, 28, 28), value, dtype=np.uint8))
    samples(train(dull, model=family))


def test_the_batch_falls_to_a_small_data_set(train):
    (event, _) = train(records(NOISE[:5])).certificate.events
    assert event.sampling_probability == 1
    assert event.count == 3


def test_a_batch_above_the_data_set_is_refused_with_the_range(train):
    with pytest.raises(PlanError, match=r"batch of 41 records .* 40; choose from 1 to 40"):
        train(records(), batch=41)


def test_one_record_cannot_be_hidden(train):
    with pytest.raises(PlanError, match="a data set of 1 cannot hide anybody; it needs 2 or more"):
        train(records(NOISE[:1]))


def test_a_folder_of_unlabelled_pictures_trains(train, tmp_path):
    (tmp_path / "scans").mkdir()
    for number, pixels in enumerate(NOISE[:8]):
        Image.fromarray(pixels[0]).save(tmp_path / "scans" / f"{number}.png")
    model = train(tmp_path / "scans")
    assert model.config.data.classes == ("all",)
    assert model.config.data.name == "scans"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [28, 32, 48, 64, 96, 128])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_size_takes_a_private_step(family, side, channels):
    images = np.random.default_rng(0).integers(0, 256, (6, channels, side, side), dtype=np.uint8)
    data = records(images, [0, 1, 0, 1, 0, 1], ("a", "b"))
    chosen = preset(family, data.card, 8.0)
    plan = plan_within(
        Workload(units=6, expected_batch_size=6, steps=1, clipping_norm=1.0), epsilon=8
    )
    recipe = chosen.recipe.model_copy(
        update={"generator_rows": min(chosen.recipe.generator_rows, 4)}
    )
    training = throwaway(plan, chosen.architecture, recipe, Settings())
    made = training.run(sealed(data).records, Releases(plan))
    assert made.steps_run == 1
    assert made.generator.sample(torch.tensor([0, 1]), seed=0).shape == (2, channels, side, side)
