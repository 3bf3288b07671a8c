"""Training as a whole, on the real digits, with few steps."""

import numpy as np
import pytest
import torch

from safegen.data.groups import grouped
from safegen.data.sources import load
from safegen.errors import PlanError
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.execution.processes import Processes
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import Settings
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.training.events import Callbacks, ReleaseMade, StepTaken
from safegen.training.loop import Training
from safegen.training.objectives.gan import GanObjective
from safegen.training.objectives.vae import VaeObjective
from safegen.training.presets.registry import preset

FAMILIES = {"vae": VaeObjective, "gan": GanObjective}


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=28)


def latents(noise_multiplier):
    """A plan's releases: that of the latent prior."""
    return (DpRelease(purpose="latents", noise_multiplier=noise_multiplier),)


def chosen_for(family, card):
    """What the preset chooses where networks start from nothing."""
    return preset(family, card, 8.0, prior="none")


def plan(**changes):
    fields = {
        "epsilon": 8.0,
        "delta": 1e-4,
        "units": 1797,
        "expected_batch_size": 32,
        "steps": 4,
        "clipping_norm": 1.0,
        "noise_multiplier": 2.0,
    }
    return PrivacyPlan(**(fields | changes))


def trained(family, data, made_plan, told=None, settings=None, keep=None, resumed=None):
    chosen = chosen_for(family, data.card)
    settings = settings or Settings()
    objective = FAMILIES[family](chosen.architecture, chosen.recipe, settings.processes)
    training = Training(
        objective,
        made_plan,
        chosen.recipe,
        groups=records_of(data),
        settings=settings,
        resumed=resumed,
    )
    releases = Releases(made_plan, 1)
    return objective, training.run(
        records_of(data), releases, keep=keep, callbacks=Callbacks([told] if told else [])
    )


def records_of(data):
    return PrivateRecords(data.images, data.labels, data.groups)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_ran_is_what_is_counted(digits, family):
    seen = []
    made_plan = plan(releases=latents(5.0) if family == "vae" else ())
    _, made = trained(family, digits, made_plan, told=seen.append)
    assert made.steps_run == 4
    assert made.events == made_plan.events()
    assert len(made.events) == 1 + len(made_plan.releases)
    steps = [event for event in seen if isinstance(event, StepTaken)]
    assert [(event.step, event.steps) for event in steps] == [(n, 4) for n in range(1, 5)]
    assert [event.spent[0].count for event in steps] == [1, 2, 3, 4]
    released = [event for event in seen if isinstance(event, ReleaseMade)]
    assert [event.purpose for event in released] == [each.purpose for each in made_plan.releases]
    assert seen[-1].spent == made.events
    sample = made.generator.sample(torch.tensor([3]), seed=0)
    assert sample.shape == (1, 1, 28, 28)


def test_an_exhausted_budget_stops_training(digits):
    _, made = trained("vae", digits, plan(steps=500, noise_multiplier=0.7, epsilon=4.0))
    assert 0 < made.steps_run < 500
    assert made.events == plan(steps=500, noise_multiplier=0.7).step_events(made.steps_run)


def test_empty_batches_are_steps(digits):
    for family in FAMILIES:
        _, made = trained(family, digits, plan(expected_batch_size=1, steps=3))
        assert made.steps_run == 3


def test_only_the_discriminator_of_a_gan_sees_records(digits):
    """The generator's gradients do not change when every record does."""
    chosen = chosen_for("gan", digits.card)
    outcomes = []
    for pixels in (0, 255):
        torch.manual_seed(0)
        objective = GanObjective(chosen.architecture, chosen.recipe)
        pictures = torch.full((5, 1, 28, 28), pixels / 255)
        parts = objective.batch(pictures, torch.zeros(5, dtype=int))
        losses = objective.losses(objective.private, *parts)
        assert len(losses) == 5 + chosen.recipe.generator_rows
        losses.sum().backward()
        outcomes.append([p.grad for p in objective.averaged.parameters()])
    assert all(gradient is None for outcome in outcomes for gradient in outcome)


def test_latent_noise_is_secret(digits):
    """Were it drawn from a known seed, one record more would shift the noise of all the others."""
    chosen = chosen_for("vae", digits.card)
    pictures = torch.from_numpy(digits.images[:8]).float() / 255
    labels = torch.from_numpy(digits.labels[:8])
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        objective = VaeObjective(chosen.architecture, chosen.recipe)
        torch.manual_seed(0)
        losses.append(objective.losses(objective.private, *objective.batch(pictures, labels)))
    assert not torch.equal(*losses)


def test_a_few_steps_already_learn_something(digits):
    """With little noise, reconstruction improves: the loop really trains."""
    torch.manual_seed(0)
    chosen = chosen_for("vae", digits.card)
    objective = VaeObjective(chosen.architecture, chosen.recipe)
    pictures = torch.from_numpy(digits.images[:200]).float() / 255
    labels = torch.from_numpy(digits.labels[:200])

    def loss():
        with torch.no_grad():
            parts = objective.batch(pictures, labels)
            return float(objective.losses(objective.private, *parts).mean())

    before = loss()
    quiet = plan(epsilon=1e6, noise_multiplier=0.2, steps=40, expected_batch_size=128)
    training = Training(objective, quiet, chosen.recipe)
    training.run(records_of(digits), Releases(quiet))
    assert loss() < 0.95 * before


@pytest.mark.parametrize("family", FAMILIES)
def test_a_resumed_run_goes_on_with_what_the_checkpoint_held(digits, family):
    kept = []
    canaries = Canaries(100)
    made_plan = plan(steps=3, releases=latents(9.0) if family == "vae" else ())
    objective, whole = trained(
        family,
        digits,
        made_plan,
        settings=Settings(canaries=canaries),
        keep=lambda *call: kept.append((*call[:2], {k: t.clone() for k, t in call[2].items()})),
    )
    assert [(counted, claimed) for counted, claimed, _ in kept] == [(0, 3), (3, 3)]
    again = Canaries(100)
    resumed, once_more = trained(
        family, digits, made_plan, settings=Settings(canaries=again), resumed=(3, kept[-1][2])
    )
    assert once_more.events == whole.events
    assert whole.units_considered > 0
    assert (once_more.units_drawn, once_more.units_considered) == (
        whole.units_drawn,
        whole.units_considered,
    )
    assert whole.units_each == len(digits)
    assert np.array_equal(once_more.sizes, whole.sizes)
    assert (whole.sizes.sum(), len(whole.sizes)) == (whole.units_drawn, 3)
    of_0_1 = {name: tensor for name, tensor in kept[-1][2].items() if name != "draws/sizes"}
    _, known_no_better = trained(
        family, digits, made_plan, settings=Settings(canaries=Canaries(100)), resumed=(3, of_0_1)
    )
    assert known_no_better.units_considered == whole.units_considered
    assert not len(known_no_better.sizes)
    assert np.array_equal(again.included, canaries.included)
    assert np.array_equal(again.scores, canaries.scores)
    for mine, theirs in zip(
        resumed.private.parameters(), objective.private.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)
    for name, tensor in whole.generator.state_dict().items():  # the release, too: one key
        assert torch.allclose(once_more.generator.state_dict()[name], tensor, atol=1e-5), name


def test_steps_that_may_have_run_are_counted_before_they_run(digits):
    """Whoever resumes from what `keep` was given at any moment counts at least what ran."""
    ran, claims = [], []
    made_plan = plan(steps=45)

    def keep(counted, claimed, tensors):
        claims.append((len(ran), counted, claimed))

    def heard(event):
        if isinstance(event, StepTaken):
            ran.append(event.step)

    trained("vae", digits, made_plan, told=heard, keep=keep)
    steps = ran
    for before, counted, claimed in claims:
        assert counted == (steps[before - 1] if before else 0)
        assert claimed >= counted
    for step in steps:
        last = [claimed for before, _, claimed in claims if before < step][-1]
        assert step <= last


def test_groups_train_as_units(digits):
    by_patient = grouped(digits, [str(number // 3) for number in range(len(digits))])
    assert by_patient.card.units == 599
    made_plan = plan(units=599, unit="group", records_per_unit=2, releases=latents(5.0))
    _, made = trained("vae", by_patient, made_plan)
    assert made.events == made_plan.events()


def test_a_network_that_cannot_be_trained_is_found_in_rehearsal(digits):
    chosen = chosen_for("vae", digits.card)
    objective = VaeObjective(chosen.architecture, chosen.recipe)
    training = Training(objective, plan(), chosen.recipe)
    training.rehearse((1, 28, 28))
    with torch.no_grad():
        objective.private.encoder.head.weight.fill_(torch.nan)
    with pytest.raises(PlanError, match="nothing was spent"):
        training.rehearse((1, 28, 28))


def test_presets_do_not_look_at_records(digits):
    other = digits.card.model_copy(update={"digest": "sha256:00", "name": "other"})
    for prior in ("strokes", "none"):
        assert preset("vae", digits.card, 8.0, prior=prior) == preset(
            "vae", other, 8.0, prior=prior
        )
    small = digits.card.model_copy(update={"count": 50, "units": 50})
    assert preset("vae", small, 8.0).expected_batch_size <= 50
    assert np.isfinite(preset("gan", small, 8.0).recipe.loss_scale)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_training_on_a_gpu(digits, family, precision):
    settings = Settings(
        processes=Processes(device=torch.device("cuda")),
        execution=Execution(precision=precision),
        canaries=Canaries(100),
    )
    _, made = trained(family, digits, plan(), settings=settings)
    assert made.steps_run == 4
    assert made.generator.prior.means.device.type == "cpu"


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_trains(digits, family):
    _, made = trained(
        family, digits, plan(), settings=Settings(execution=Execution(precision="bf16"))
    )
    assert made.steps_run == 4
