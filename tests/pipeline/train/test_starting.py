"""Runs that start from pictures: what is looked at, what is released, what is stated of it."""

import dataclasses

import numpy as np
import pytest
import torch

import safegen
from safegen.data.dataset import assemble
from safegen.data.groups import read_groups
from safegen.data.sources import load
from safegen.errors import DataError, InputError, PlanError
from safegen.pipeline.train import initialization
from safegen.pipeline.train.planning import preset_for
from safegen.privacy.accounting import events as accounting
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.mechanism.release import Mechanism
from safegen.progress import silent
from safegen.training import checkpoint
from safegen.training.pretraining_sources import PRIORS, draw_prior

STEPS = 24  # two checkpoints' worth


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=28)


@pytest.fixture(autouse=True)
def _quick(monkeypatch, few_pictures):
    few_pictures(monkeypatch)
    monkeypatch.setattr("safegen.training.releases.warmstart.DRAWN_PICTURES", 300)


@pytest.fixture
def train(places, tmp_path, digits):
    def begin(data=digits, *, out="model", batch=32, **asked):
        return safegen.train(
            data,
            out=tmp_path / out,
            privacy=safegen.PrivacyConfig(
                epsilon=4.0,
                noise_multiplier=6.0,  # given, so that none is sought: that takes seconds
                canaries=0,
            ),
            training=safegen.TrainingConfig(steps=STEPS, expected_batch_size=batch, **asked),
            workspace=places,
        )

    return begin


@pytest.fixture
def places(made, tmp_path):
    return safegen.Workspace(
        keys=made.keys, ledger=tmp_path / "ledger.db", budget=tmp_path / "budget.db"
    )


@pytest.fixture
def resume(places, tmp_path, digits):
    return lambda: safegen.resume(tmp_path / "model", digits, workspace=places)


@pytest.fixture
def released(monkeypatch):
    """Each release of the run, in order: its name, multiplier, and what it gave out.

    Those of its rehearsal have no key.
    """
    seen = []
    whole = Mechanism.release

    def release(self, statistic, sensitivity):
        found = whole(self, statistic, sensitivity)
        if self.key is not None:
            seen.append((self.name, self.noise_multiplier, found[0]))
        return found

    monkeypatch.setattr(Mechanism, "release", release)
    return seen


def check_certificate(model, made_releases):
    """Every release that was made is an event, with its noise, and no other is."""
    certificate = model.certificate
    assert certificate.epsilon <= 4.0
    assert accounting.epsilon_of(certificate.events, certificate.delta) == certificate.epsilon
    steps, *events = certificate.events
    assert steps.count == STEPS
    counted = [event.noise_multiplier for event in events for _ in range(event.count)]
    assert sorted(counted) == sorted(noise for _, noise, _ in made_releases)
    names = [name for name, _, _ in made_releases]
    assert len(set(names)) == len(names)  # each has its own noise
    return names


@pytest.mark.parametrize("family", ["vae", "gan"])
@pytest.mark.parametrize("prior", [*PRIORS, "none"])
def test_a_warm_start_from_each_prior_is_counted_in_full(train, released, family, prior):
    model = train(family=family, pretraining=prior, warm_start="moments")
    names = check_certificate(model, released)
    assert names[:3] == ["basis", "classes", "latents"]
    assert model.config.recipe.warm_start == "moments"
    named = [text for text in model.certificate.public_by_assumption if "the prior" in text]
    if prior == "none":
        assert model.config.recipe.prior is None
        assert named == []
    else:
        assert model.config.recipe.prior == prior
        (text,) = named
        assert prior in text
        assert "drawn by code" in text
    with pytest.warns(safegen.UnsafeWarning):
        samples = model.unsafe_sample(4, reason="a test", seed=0)
    assert np.isfinite(samples).all()
    assert samples.std() > 0


def test_components_and_grain_are_counted_too(train, released, monkeypatch):
    """As presets for many records have them."""
    monkeypatch.setattr("safegen.training.presets.image.CLEAR", 100)
    monkeypatch.setattr("safegen.training.presets.image.MANY", 100)
    model = train(pretraining="leaves", warm_start="moments")
    names = check_certificate(model, released)
    assert names == [
        "basis", "classes", "latents", "components 0", "components 1", "components 2", "grain"
    ]  # fmt: skip
    assert len(model.certificate.events) == 6
    release = model.generate(2, label=3, seed=0, purpose="a test")
    gaps = [output.receipt.explanation.completeness_gap for output in release.outputs]
    assert max(gaps) < 0.05


def test_without_prior_and_warm_start_nothing_but_the_latents_is_released(train, released):
    model = train(pretraining="none", warm_start="none")
    assert check_certificate(model, released) == ["latents"]


def other_pictures(shape=(1, 28, 28), count=150):
    return assemble(
        draw_prior("leaves", count, shape, 5).numpy(),
        np.zeros(count, dtype=np.int64),
        ("all",),
        name="others",
        source="a test",
        licence="none",
    )


def test_a_public_data_set_can_be_the_prior(train, released):
    others = other_pictures()
    model = train(pretraining=others)
    check_certificate(model, released)
    assert model.config.recipe.prior == f"others ({others.card.digest})"
    (text,) = [t for t in model.certificate.public_by_assumption if "the prior" in t]
    assert "the data set others" in text
    assert others.card.digest in text


def test_a_prior_may_be_named_like_any_data_set(train, digits):
    others = other_pictures()
    model = train(others, pretraining="digits")
    assert model.config.recipe.prior == f"digits ({digits.card.digest})"


@pytest.mark.parametrize(
    ("prior", "reason"),
    [
        ("digits", "cannot be the prior of a run on itself"),
        (other_pictures((3, 28, 28)), r"RGB pictures of 28x28.*records are grey"),
        (other_pictures((1, 32, 32)), r"32x32.*28x28"),
        ("crayons", r"no pretraining 'crayons': choose auto, none, strokes, silhouettes, leaves"),
    ],
)
def test_a_prior_that_does_not_fit_is_refused_before_anything_is_spent(
    train, tmp_path, prior, reason
):
    with pytest.raises(DataError, match=reason):
        train(pretraining=prior)
    assert Budget(str(tmp_path / "budget.db")).accounts() == ()
    assert not (tmp_path / "model").exists()


def test_what_a_private_run_learnt_from_is_no_prior(train, tmp_path):
    """Otherwise it would be looked at again, and nobody would count it."""
    others = other_pictures()
    train(others, pretraining="none", out="first")
    with pytest.raises(DataError, match="private runs have trained on it"):
        train(pretraining=others)


def test_a_warm_start_that_is_none_is_refused(train):
    with pytest.raises(PlanError, match=r"'hot'.*auto, moments or none"):
        train(warm_start="hot")


def test_a_prior_of_which_nothing_can_be_learnt_is_refused(train, tmp_path, monkeypatch):
    monkeypatch.setattr(initialization, "loss_scale", lambda *_, **__: float("nan"))
    with pytest.raises(PlanError, match="nothing can be learnt from the prior strokes"):
        train(pretraining="strokes")
    assert Budget(str(tmp_path / "budget.db")).accounts() == ()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_prior_of_one_colour_is_survived(train, digits, value):
    dull = dataclasses.replace(
        other_pictures(), images=np.full((40, 1, 28, 28), value, dtype=np.uint8)
    )
    assert train(pretraining=dull).certificate.outcome == "completed"


@pytest.mark.parametrize("family", ["vae", "gan"])
@pytest.mark.parametrize("groups", [False, True])
def test_one_class_groups_and_a_warm_start(train, released, tmp_path, family, groups):
    data = other_pictures()
    if groups:
        lines = [f"{number},{number // 3}" for number in range(150)]
        (tmp_path / "groups.csv").write_text("\n".join(["record,group", *lines]))
        data = read_groups(tmp_path / "groups.csv", data)
    model = train(data, family=family, pretraining="strokes", warm_start="moments", batch=20)
    check_certificate(model, released)
    assert model.certificate.units == (50 if groups else 150)


MOMENTS = {
    "after the grant": ("safegen.pipeline.train.course.from_releases", 0),
    "after the releases": ("safegen.pipeline.train.course.training_of", 0),
    "at the first step": ("safegen.training.loop.Training._step", 20),
    "at the end": ("safegen.training.loop.Training._finish", 24),
    "before settling": ("safegen.privacy.accounting.budget.Budget.settle", 24),
}


@pytest.mark.parametrize("family", ["vae", "gan"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_stopped_anywhere_makes_the_same_releases_again(
    train, resume, released, tmp_path, monkeypatch, family, moment
):
    """One grant, nothing counted twice, nothing forgotten."""
    stopped, claimed = MOMENTS[moment]
    with monkeypatch.context() as patch:
        patch.setattr("safegen.pipeline.train.run.rehearse_run", lambda *_: None)  # it stops, too
        patch.setattr(stopped, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(family=family, pretraining="strokes", warm_start="moments")
    standing, _ = checkpoint.read(tmp_path / "model" / checkpoint.NAME)
    assert standing.claimed == claimed
    before = list(released)
    del released[:]
    model = resume()
    first = {name: given for name, _, given in before}
    again = {name: given for name, _, given in released}
    for name in {*first} & {*again} - {"latents"}:
        assert np.array_equal(first[name], again[name]), name
    if claimed == 24:  # with nothing left to train, the codes are the same, too
        assert all(np.array_equal(first[name], again[name]) for name in {*first} & {*again})
    assert {*first, *again} == {"basis", "classes", "latents"}
    assert model.certificate.events[0].count >= STEPS
    assert len(model.certificate.events) == 4
    (account,) = Budget(str(tmp_path / "budget.db")).accounts()
    assert account.runs == 1
    assert account.spent == pytest.approx(model.certificate.epsilon)
    assert not (tmp_path / "model" / checkpoint.NAME).exists()


def test_a_budget_that_cannot_be_reached_does_not_cost_a_run_before_its_first_step(
    train, resume, tmp_path, monkeypatch
):
    """Its grant is taken already; only a run that never had one leaves nothing."""
    with monkeypatch.context() as patch:
        patch.setattr("safegen.pipeline.train.run.rehearse_run", lambda *_: None)  # it stops, too
        patch.setattr("safegen.pipeline.train.course.training_of", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(pretraining="none")

    def locked(*_, **__):
        raise safegen.errors.StorageError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(Budget, "grant", locked)
        with pytest.raises(InputError, match="locked"):
            resume()
    assert resume().certificate.outcome == "completed"


def test_first_weights_and_pictures_survive_in_the_checkpoint(train, resume, tmp_path, monkeypatch):
    """So that a resumed run learns nothing anew from the prior."""
    with monkeypatch.context() as patch:
        patch.setattr("safegen.pipeline.train.run.rehearse_run", lambda *_: None)  # it stops, too
        patch.setattr("safegen.pipeline.train.course.from_releases", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(pretraining="strokes")
    _, tensors = checkpoint.read(tmp_path / "model" / checkpoint.NAME)
    start = initialization.start_in(tensors)
    assert torch.equal(start.reference, draw_prior("strokes", 300, (1, 28, 28), 1))
    held = initialization.start_tensors(start)
    assert {name: t.shape for name, t in held.items()} == {n: t.shape for n, t in tensors.items()}
    monkeypatch.setattr("safegen.pipeline.train.run.from_prior", lambda *_, **__: 1 / 0)
    assert resume().certificate.outcome == "completed"


def test_learning_from_a_prior_looks_at_no_record(digits, monkeypatch):
    """Whatever the records are, first weights and loss scale are the same."""
    training = safegen.TrainingConfig(pretraining="strokes")
    chosen = preset_for(safegen.PrivacyConfig(), training, digits.card)
    recipe = chosen.recipe.model_copy(update={"prior_pictures": 300, "prior_epochs": 1})
    made = [
        initialization.from_prior(
            recipe, chosen.architecture, None, seed=3, device=torch.device("cpu"), progress=silent
        )
        for _ in range(2)
    ]
    (one, first), (other, second) = made
    assert one == other
    assert one.loss_scale != recipe.loss_scale
    for name, tensor in first.weights.items():
        assert torch.equal(tensor, second.weights[name])
