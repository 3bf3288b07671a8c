"""Training as a whole, on the real digits, with few steps."""

import numpy as np
import pytest
import torch

from safegen.data.sources import load
from safegen.privacy.plan import PrivacyPlan
from safegen.progress import silent
from safegen.training.adversarial import GanObjective
from safegen.training.elbo import VaeObjective
from safegen.training.loop import train_privately
from safegen.training.recipe import preset

CPU = torch.device("cpu")
FAMILIES = {"vae": VaeObjective, "gan": GanObjective}


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=28)


def plan(**changes):
    fields = {
        "epsilon": 8.0,
        "delta": 1e-4,
        "records": 1797,
        "expected_batch_size": 32,
        "steps": 4,
        "clipping_norm": 1.0,
        "noise_multiplier": 2.0,
    }
    return PrivacyPlan(**(fields | changes))


def trained(family, data, made_plan, progress=silent):
    chosen = preset(family, data.card)
    objective = FAMILIES[family](chosen.architecture, chosen.recipe, CPU)
    return objective, train_privately(
        objective, data, made_plan, chosen.recipe, device=CPU, progress=progress
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_what_ran_is_what_is_counted(digits, family):
    seen = []
    release = 5.0 if family == "vae" else None
    _, made = trained(
        family,
        digits,
        plan(release_noise_multiplier=release),
        progress=lambda *call: seen.append(call),
    )
    assert made.steps_run == 4
    assert made.events == plan(release_noise_multiplier=release).events()
    assert seen[-1] == ("training", 4, 4)
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
    chosen = preset("gan", digits.card)
    outcomes = []
    for pixels in (0, 255):
        torch.manual_seed(0)
        objective = GanObjective(chosen.architecture, chosen.recipe, CPU)
        pictures = torch.full((5, 1, 28, 28), pixels / 255)
        losses = objective.losses(objective.private, pictures, torch.zeros(5, dtype=int))
        assert len(losses) == 5 + chosen.recipe.generator_rows
        losses.sum().backward()
        outcomes.append([p.grad for p in objective.averaged.parameters()])
    assert all(gradient is None for outcome in outcomes for gradient in outcome)


def test_latent_noise_is_secret(digits):
    """Were it drawn from a known seed, one record more would shift the noise of all the others."""
    chosen = preset("vae", digits.card)
    pictures = torch.from_numpy(digits.images[:8]).float() / 255
    labels = torch.from_numpy(digits.labels[:8])
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        objective = VaeObjective(chosen.architecture, chosen.recipe, CPU)
        torch.manual_seed(0)
        losses.append(objective.losses(objective.private, pictures, labels))
    assert not torch.equal(*losses)


def test_a_few_steps_already_learn_something(digits):
    """With little noise, reconstruction improves: the loop really trains."""
    torch.manual_seed(0)
    chosen = preset("vae", digits.card)
    objective = VaeObjective(chosen.architecture, chosen.recipe, CPU)
    pictures = torch.from_numpy(digits.images[:200]).float() / 255
    labels = torch.from_numpy(digits.labels[:200])

    def loss():
        with torch.no_grad():
            return float(objective.losses(objective.private, pictures, labels).mean())

    before = loss()
    train_privately(
        objective,
        digits,
        plan(epsilon=1e6, noise_multiplier=0.2, steps=40, expected_batch_size=128),
        chosen.recipe,
        device=CPU,
        progress=silent,
    )
    assert loss() < 0.95 * before


def test_presets_do_not_look_at_records(digits):
    other = digits.card.model_copy(update={"digest": "sha256:00", "name": "other"})
    assert preset("vae", digits.card) == preset("vae", other)
    small = digits.card.model_copy(update={"count": 50})
    assert preset("vae", small).expected_batch_size <= 50
    assert np.isfinite(preset("gan", small).recipe.loss_scale)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("family", FAMILIES)
def test_training_on_a_gpu(digits, family):
    chosen = preset(family, digits.card)
    device = torch.device("cuda")
    objective = FAMILIES[family](chosen.architecture, chosen.recipe, device)
    made = train_privately(objective, digits, plan(), chosen.recipe, device=device, progress=silent)
    assert made.steps_run == 4
    assert made.generator.prior.means.device.type == "cpu"
