"""The GAN: its losses, R1 from two scores, whose turn it is, and who learns from whom."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from safegen.audit import network
from safegen.audit.network import Rehearsal
from safegen.data.sources import load
from safegen.errors import PlanError
from safegen.models.generator import one_hot
from safegen.models.vae import ConditionalVAE
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sampling import SampledUnits
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.schemas.card import DataCard, PictureShape
from safegen.training.loop import Training
from safegen.training.objectives.balance import STEP_FACTORS, Balance
from safegen.training.objectives.gan import GanObjective
from safegen.training.objectives.gan_losses import (
    discriminator_losses,
    generator_loss,
    slope_penalties,
    stepped_off,
)
from safegen.training.objectives.objective import Start
from safegen.training.presets.registry import preset
from safegen.training.releases.fitting import fit_generator

LATENTS = DpRelease(purpose="latents", noise_multiplier=5.0)


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=28)


@pytest.fixture
def chosen(digits):
    return preset("gan", digits.card, 8.0)


def recipe_of(chosen, **changes):
    return chosen.recipe.model_copy(update={"generator_rows": 8, **changes})


def plan(**changes):
    fields = {
        "epsilon": 8.0, "delta": 1e-4, "units": 1797, "expected_batch_size": 16, "steps": 4,
        "clipping_norm": 1.0, "noise_multiplier": 2.0,
    }  # fmt: skip
    return PrivacyPlan(**(fields | changes))


def start_of(chosen, seed=0):
    torch.manual_seed(seed)
    pictures = (torch.rand(32, *_shape(chosen)) * 255).byte()
    return Start(weights=ConditionalVAE(chosen.architecture).state_dict(), reference=pictures)


def _shape(chosen):
    made = chosen.architecture
    return made.shape.channels, made.shape.height, made.shape.width


def records_of(data):
    return PrivateRecords(data.images, data.labels)


SCORES, SIGNS = [-2.0, 0.5, 3.0, -2.0, 0.5, 3.0, 7.0], [-1, -1, -1, 1, 1, 1, 0]


def test_the_discriminators_hinge_is_its_formula():
    """Records want a score over 1, generated pictures one under -1; a row without a sign, none."""
    expected = [3.0, 0.5, 0.0, 0.0, 1.5, 4.0, 0.0]
    found = discriminator_losses("hinge", torch.tensor(SCORES), torch.tensor(SIGNS).float())
    assert found.tolist() == expected


def test_the_discriminators_logistic_loss_is_its_formula():
    found = discriminator_losses(
        "non-saturating", torch.tensor(SCORES), torch.tensor(SIGNS).float()
    )
    expected = [
        -math.log(1 / (1 + math.exp(sign * score))) if sign else 0.0
        for score, sign in zip(SCORES, SIGNS, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_the_generators_losses_are_their_formulas():
    scores = torch.tensor([-1.0, 4.0])
    assert float(generator_loss("hinge", scores)) == -1.5
    logistic = (math.log(1 + math.e) + math.log(1 + math.exp(-4))) / 2
    assert float(generator_loss("non-saturating", scores)) == pytest.approx(logistic)


@pytest.mark.parametrize("kind", ["hinge", "non-saturating"])
def test_each_side_wants_what_the_other_does_not(kind):
    """The generator's step raises the scores of its pictures, the discriminator's lowers them."""
    score = torch.zeros(1, requires_grad=True)
    (lower,) = torch.autograd.grad(discriminator_losses(kind, score, torch.ones(1)).sum(), score)
    (higher,) = torch.autograd.grad(generator_loss(kind, score), score)
    assert lower > 0 > higher


def test_two_scores_estimate_the_slope_that_autograd_finds():
    """Over many directions the penalty's mean is half the squared norm of the true gradient."""
    torch.manual_seed(0)
    smooth = nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 6 * 6, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)
    )
    picture = torch.rand(1, 3, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(smooth(picture).sum(), picture)
    count = 20_000
    rows = stepped_off(picture.detach().expand(2 * count, -1, -1, -1), torch.randn(count, 3, 6, 6))
    signs = torch.tensor([-1.0, 0.0]).repeat(count)
    found = slope_penalties(smooth(rows), signs).detach()
    assert not found[1::2].any()
    expected = float(gradient.square().sum()) / 2
    assert float(found[::2].mean()) == pytest.approx(expected, rel=5 * math.sqrt(2 / count))


def test_the_penalty_trains_towards_smaller_slopes():
    torch.manual_seed(0)
    line = nn.Linear(12, 1)
    optimizer = torch.optim.SGD(line.parameters(), lr=0.05)
    before = float(line.weight.detach().norm())
    for _ in range(20):
        rows = stepped_off(torch.rand(64, 12, 1, 1), torch.randn(32, 12, 1, 1))
        signs = torch.tensor([-1.0, 0.0]).repeat(32)
        optimizer.zero_grad()
        slope_penalties(line(rows.flatten(1))[:, 0], signs).mean().backward()
        optimizer.step()
    assert float(line.weight.detach().norm()) < 0.8 * before


def test_a_record_and_its_step_off_are_clipped_as_one(digits, chosen):
    """However loud R1 is, one record moves the sum by the clipping norm at most."""
    recipe = recipe_of(chosen, r1=100.0)
    training = Training(
        GanObjective(chosen.architecture, recipe),
        plan(clipping_norm=0.7),
        recipe,
        settings=Settings(canaries=Canaries(100)),
    )
    assert training.engine.rows_per_unit == 2
    training.rehearse(_shape(chosen))
    found = _reach(training, chosen)
    assert found.sound
    assert found.found == pytest.approx(1.0, rel=0.05)  # so that the bound is what holds it


@pytest.mark.parametrize("execution", [Execution(mode="hooks"), Execution(micro_batch=5)])
def test_r1_keeps_the_bound_in_other_modes(chosen, execution):
    recipe = recipe_of(chosen, r1=100.0)
    training = Training(
        GanObjective(chosen.architecture, recipe),
        plan(clipping_norm=0.7),
        recipe,
        settings=Settings(execution=execution),
    )
    training.rehearse(_shape(chosen))
    assert _reach(training, chosen).sound


def _reach(training, chosen):
    draw, parts = training.made_up(_shape(chosen), 6)
    return network.reach(
        Rehearsal(
            engine=training.engine,
            draw=draw,
            parts=parts,
            losses=training.losses,
            records=training.engine.rows_per_unit,
            clipping_norm=0.7,
        )
    )


def test_a_step_off_another_record_is_found_in_rehearsal(chosen, monkeypatch):
    """Were the pairs taken across records, one record's loss would be another's, too."""
    recipe = recipe_of(chosen, r1=1.0)
    objective = GanObjective(chosen.architecture, recipe)
    training = Training(objective, plan(), recipe)
    right = objective.losses

    def mixed(network, *parts):
        losses = right(network, *parts)
        return losses + losses.roll(2)

    monkeypatch.setattr(objective, "losses", mixed)
    with pytest.raises(PlanError, match="depends on other rows"):
        training.rehearse(_shape(chosen))


def test_groups_of_records_are_clipped_as_one_with_r1(chosen):
    recipe = recipe_of(chosen, r1=100.0)
    training = Training(
        GanObjective(chosen.architecture, recipe),
        plan(unit="group", records_per_unit=3, clipping_norm=0.7),
        recipe,
        groups=np.arange(1797),
    )
    assert training.engine.rows_per_unit == 6
    assert _reach(training, chosen).sound


def test_directions_are_secret(chosen):
    """Were they drawn from a known seed, one record more would shift those of all that follow."""
    parts = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - it must not matter
        objective = GanObjective(chosen.architecture, recipe_of(chosen, r1=1.0))
        parts.append(objective.batch(torch.zeros(4, *_shape(chosen)), torch.zeros(4, dtype=int)))
    assert torch.equal(parts[0][2], torch.tensor([-1.0, 0, -1, 0] + 8 * [1]))
    assert not torch.equal(parts[0][0][1], parts[1][0][1])
    assert not parts[0][0][0].any()  # the record itself stays as it is


def test_a_record_takes_part_in_a_step_once_however_many_rows_it_has():
    """Twice as many rows of each drawn record, and the same probability of being drawn."""
    linear = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(linear.parameters(), lr=1.0)
    made = plan(expected_batch_size=600, steps=100)
    engine = PrivateEngine(linear, made, optimizer, rows_per_record=2)
    draws = [engine.draw() for _ in range(30)]
    for draw in draws:
        assert np.array_equal(draw.rows[::2], draw.rows[1::2])
        assert len(np.unique(draw.rows)) == len(draw.rows) // 2
    drawn = sum(len(draw.rows) for draw in draws) / 2
    assert engine.units_drawn == drawn
    deviation = math.sqrt(30 * 1797 * (1 / 3) * (2 / 3))
    assert abs(drawn - 30 * 600) < 6 * deviation


def test_more_private_steps_while_the_discriminator_is_behind():
    balance = Balance(3, least_accuracy=0.6)
    for rung in range(1, len(STEP_FACTORS)):
        assert not balance.can_teach(0.59)
        assert balance.steps == 3 * STEP_FACTORS[rung]
    assert not balance.can_teach(0.1)
    assert balance.steps == 3 * STEP_FACTORS[-1]
    assert balance.can_teach(0.6)
    assert balance.steps == 3 * STEP_FACTORS[-1]


def test_fewer_private_steps_once_it_is_far_ahead():
    balance = Balance(3, least_accuracy=0.6)
    balance.can_teach(0.0)
    balance.can_teach(0.0)
    assert balance.can_teach(1.0)
    assert balance.steps == 3 * STEP_FACTORS[1]
    assert balance.can_teach(1.0)
    assert balance.can_teach(1.0)
    assert balance.steps == 3


def test_the_generator_is_due_after_so_many_private_steps():
    balance = Balance(2, least_accuracy=0.6)
    assert [balance.generator_is_due() for _ in range(4)] == [False, True, False, True]
    balance.can_teach(0.0)
    assert [balance.generator_is_due() for _ in range(4)] == [False, False, False, True]


def test_without_a_least_accuracy_the_generator_never_waits():
    balance = Balance(1, least_accuracy=0.0)
    assert balance.can_teach(0.0)
    assert balance.can_teach(1.0)
    assert balance.steps == 1


def test_a_checkpoint_holds_whose_turn_it_is(chosen):
    recipe = recipe_of(chosen, discriminator_steps=2, least_accuracy=0.6)
    before = GanObjective(chosen.architecture, recipe)
    before.balance.can_teach(0.0)
    before.balance.generator_is_due()
    after = GanObjective(chosen.architecture, recipe)
    after.restore(before.state())
    assert after.balance.steps == before.balance.steps == 4
    assert [after.balance.generator_is_due() for _ in range(4)] == [False, False, True, False]


@pytest.mark.parametrize("kind", ["hinge", "non-saturating"])
def test_generator_steps_leave_nothing_on_the_discriminator(chosen, kind):
    recipe = recipe_of(chosen, adversarial=kind, least_accuracy=0.0, discriminator_steps=1)
    objective = GanObjective(chosen.architecture, recipe)
    training = Training(objective, plan(), recipe)
    before = [p.detach().clone() for p in objective.private.parameters()]
    made = [p.detach().clone() for p in objective.averaged.decoder.parameters()]
    objective.work_publicly(training.engine, rate_factor=1.0)
    for old, now in zip(before, objective.private.parameters(), strict=True):
        assert torch.equal(old, now)
        assert now.grad is None
        assert now.requires_grad
    pairs = zip(made, objective.averaged.decoder.parameters(), strict=True)
    assert any(not torch.equal(old, now) for old, now in pairs)


def test_the_generator_waits_for_a_discriminator_that_cannot_tell(chosen):
    recipe = recipe_of(chosen, least_accuracy=0.6, discriminator_steps=1)
    objective = GanObjective(chosen.architecture, recipe)
    training = Training(objective, plan(), recipe)
    with torch.no_grad():
        objective.private.score.bias.fill_(100.0)  # it takes everything for a record
    made = [p.detach().clone() for p in objective.averaged.decoder.parameters()]
    objective.work_publicly(training.engine, rate_factor=1.0)
    assert objective.balance.steps == STEP_FACTORS[1]
    for old, now in zip(made, objective.averaged.decoder.parameters(), strict=True):
        assert torch.equal(old, now)


def test_only_the_discriminator_sees_records(chosen):
    """A step's losses reach no weight of the generator, and its work without records sees none."""
    recipe = recipe_of(chosen, r1=1.0)
    objective = GanObjective(chosen.architecture, recipe)
    parts = objective.batch(torch.rand(4, *_shape(chosen)), torch.zeros(4, dtype=int))
    losses = objective.losses(objective.private, *parts)
    assert len(losses) == 4 + recipe.generator_rows
    losses.sum().backward()
    assert all(p.grad is None for p in objective.averaged.parameters())
    assert any(p.grad is not None for p in objective.private.parameters())


def test_the_first_generator_is_the_fitted_autoencoder(digits, chosen):
    """Before the first step there is nothing in it but the start and what was released."""
    start, records, made = start_of(chosen), records_of(digits), plan(releases=(LATENTS,))
    objective = GanObjective(chosen.architecture, recipe_of(chosen), start=start)
    objective.prepare(records, Releases(made, 3))
    autoencoder = ConditionalVAE(chosen.architecture)
    autoencoder.load_state_dict(start.weights)
    fitted = fit_generator(
        autoencoder,
        chosen.architecture,
        records,
        Releases(made, 3),
        reference=start.reference,
    )
    for name, tensor in fitted.state_dict().items():
        assert torch.equal(objective.averaged.state_dict()[name], tensor), name
    labels = torch.arange(10)
    assert torch.equal(objective.averaged.sample(labels, seed=1), fitted.sample(labels, seed=1))


def test_steps_move_the_decoder_and_never_what_was_released(digits, chosen):
    made = plan(releases=(LATENTS,))
    recipe = recipe_of(chosen, least_accuracy=0.0, discriminator_steps=1)
    objective = GanObjective(chosen.architecture, recipe, start=start_of(chosen))
    first = {}
    prepare = objective.prepare

    def remembered(*given):
        prepare(*given)
        first.update({k: t.clone() for k, t in objective.averaged.state_dict().items()})

    objective.prepare = remembered
    trained = Training(objective, made, recipe).run(records_of(digits), Releases(made, 3))
    assert trained.events == made.events()
    after = trained.generator.state_dict()
    moved = {name for name in first if not torch.equal(first[name], after[name])}
    assert moved
    assert {name.split(".")[0] for name in moved} == {"decoder"}


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 64, 64), (1, 28, 28)])
def test_without_a_prior_it_trains_from_random_weights(shape):
    channels, height, width = shape
    card = DataCard(
        name="pictures", source="", licence="", count=40, units=40, digest="sha256:00",
        shape=PictureShape(channels=channels, height=height, width=width), classes=("a", "b"),
    )  # fmt: skip
    chosen = preset("gan", card, 8.0, prior="none")
    assert chosen.shares == ()
    recipe = recipe_of(chosen, r1=1.0, least_accuracy=0.0)
    objective = GanObjective(chosen.architecture, recipe)
    training = Training(objective, plan(units=40, expected_batch_size=8), recipe)
    training.rehearse(shape)
    before = [p.detach().clone() for p in objective.averaged.decoder.parameters()]
    parts = objective.batch(torch.rand(8, *shape), torch.zeros(8, dtype=int))
    draw = SampledUnits(rows=np.arange(8), canaries=np.arange(0))
    training.engine.step(draw, parts, objective.losses)
    for _ in range(recipe.discriminator_steps):
        objective.work_publicly(training.engine, rate_factor=1.0)
    after = objective.averaged.decoder.parameters()
    assert any(not torch.equal(old, now) for old, now in zip(before, after, strict=True))
    prior = objective.averaged.prior
    assert torch.equal(prior.means, torch.zeros_like(prior.means))  # N(0, I)
    sample = objective.averaged.sample(torch.tensor([0, 1]), seed=0)
    assert sample.shape == (2, *shape)


def test_labels_reach_the_score_by_projection(chosen):
    objective = GanObjective(chosen.architecture, recipe_of(chosen))
    pictures = torch.rand(2, *_shape(chosen)).expand(2, -1, -1, -1)
    zero, one = (one_hot(torch.full((2,), label), 10) for label in (0, 1))
    scores = objective.private(pictures, zero), objective.private(pictures, one)
    assert not torch.equal(*scores)
