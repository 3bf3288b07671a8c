"""Each check of a finished run can refuse, at its own level, and a sound run passes them all.

Runs are drawn from what a plan says, with one fault each; what is compared is what the engine's own
books and canaries hold.
"""

import dataclasses
import math

import numpy as np
import pytest
from torch import nn

from safegen.audit.canaries import Comparison
from safegen.errors import TrainingError
from safegen.pipeline.train import soundness
from safegen.pipeline.train.soundness import bound_of, require_sound
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.mechanism.canaries import Canaries
from safegen.training.loop import Trained

STEPS, UNITS, BATCH, MARGIN = 40, 1797, 256, 0.002


def planned(**changes):
    fields = {
        "epsilon": 8.0, "delta": 1e-5, "units": UNITS, "expected_batch_size": BATCH,
        "steps": STEPS, "clipping_norm": 1.0, "noise_multiplier": 1.3,
    }  # fmt: skip
    return PrivacyPlan(**(fields | changes))


def run(plan, seed=0, count=1000):
    """A sound run's books and canaries."""
    rng = np.random.default_rng(seed)
    q, steps = plan.sampling_probability, plan.steps
    canaries = Canaries(count)
    canaries.steps_observed = steps
    deviation = plan.noise_multiplier * (1 + MARGIN) * math.sqrt(steps)
    canaries.scores = rng.normal(scale=deviation, size=count)
    canaries.scores += canaries.included * rng.binomial(steps, q, count)
    return booked(plan, rng.binomial(plan.units, q, steps)), canaries


def booked(plan, sizes):
    return Trained(
        generator=nn.Identity(),
        events=plan.events(),
        steps_run=plan.steps,
        spacing=2**-18,
        margin=MARGIN,
        units_drawn=int(sizes.sum()),
        units_considered=plan.units * len(sizes),
        units_each=plan.units,
        sizes=sizes,
    )


@pytest.mark.parametrize("count", [1000, 3, 0])
def test_a_sound_run_passes(count):
    plan = planned()
    for seed in range(20):
        trained, canaries = run(plan, seed, count)
        require_sound(trained, plan, canaries if count else None)


# Each check, and what it refuses


def excluded_mean(trained, canaries, plan):
    canaries.scores[~canaries.included] += 3.0
    return trained


def excluded_variance(trained, canaries, plan):
    canaries.scores[~canaries.included] *= 0.7
    return trained


def included_mean(trained, canaries, plan):
    canaries.scores[canaries.included] *= 1.6
    return trained


def included_variance(trained, canaries, plan):
    """The mean stays, and the spread is fifteen times what it should be."""
    mean = plan.steps * plan.sampling_probability
    inside = canaries.scores[canaries.included]
    canaries.scores[canaries.included] = mean + math.sqrt(15) * (inside - mean)
    return trained


def included_variance_too_small(trained, canaries, plan):
    """As often as each other: drawn in turns, not by coins."""
    mean = plan.steps * plan.sampling_probability
    inside = canaries.scores[canaries.included]
    canaries.scores[canaries.included] = mean + 0.7 * (inside - mean)
    return trained


def share(trained, canaries, plan):
    return booked(plan, trained.sizes + 30)


def fixed_size(trained, canaries, plan):
    """Exactly B units in each step, which is not Poisson."""
    return booked(plan, np.full(plan.steps, plan.expected_batch_size))


def two_sizes(trained, canaries, plan):
    """Right in the mean, and units come together."""
    return booked(plan, plan.expected_batch_size + 60 * (-1) ** np.arange(plan.steps))


FAULTS = {
    "the mean score of excluded canaries": [excluded_mean],
    "the noise variance on excluded canaries": [excluded_variance],
    "the mean score of included canaries": [included_mean],
    "the score variance of included canaries": [included_variance, included_variance_too_small],
    "the share of units that took part in a step": [share],
    "the variance of how many units a step drew": [fixed_size, two_sizes],
}


@pytest.mark.parametrize(
    ("what", "plant"), [(what, plant) for what, plants in FAULTS.items() for plant in plants]
)
def test_each_check_refuses_what_is_planted_for_it_at_its_own_level(what, plant):
    plan = planned()
    trained, canaries = run(plan)
    broken = plant(trained, canaries, plan)
    found = {
        each.what: each.p_value
        for each in (*soundness._draws(broken, plan), *soundness._canaries(broken, plan, canaries))
    }
    assert found[what] < soundness.REFUSAL_P_VALUE
    with pytest.raises(TrainingError, match="no certificate is issued"):
        require_sound(broken, plan, canaries)


def test_no_check_is_without_a_fault_that_it_refuses():
    plan = planned()
    trained, canaries = run(plan)
    checks = (*soundness._draws(trained, plan), *soundness._canaries(trained, plan, canaries))
    assert {each.what for each in checks} == set(FAULTS)


def test_batches_of_one_size_are_refused_without_canaries_too():
    plan = planned()
    trained, _ = run(plan)
    with pytest.raises(TrainingError, match="variance of how many units"):
        require_sound(fixed_size(trained, None, plan), plan, None)


@pytest.mark.parametrize(
    ("heard", "steps_run", "says"),
    [(STEPS + 1, STEPS, "steps ran and"), (STEPS - 1, STEPS, "the canaries heard")],
)
def test_steps_that_were_not_counted_or_not_heard_are_refused(heard, steps_run, says):
    plan = planned()
    trained, canaries = run(plan)
    canaries.steps_observed = heard
    with pytest.raises(TrainingError, match=says):
        require_sound(dataclasses.replace(trained, steps_run=steps_run), plan, canaries)


def test_no_coins_at_all_are_refused():
    plan = planned()
    trained, canaries = run(plan)
    with pytest.raises(TrainingError, match="share of units"):
        require_sound(
            dataclasses.replace(trained, units_drawn=0, units_considered=0), plan, canaries
        )


def test_scores_that_are_no_numbers_are_refused():
    plan = planned()
    trained, canaries = run(plan)
    canaries.scores[:] = math.nan
    with pytest.raises(TrainingError, match="no certificate"):
        require_sound(trained, plan, canaries)
    assert Comparison(what="", found=math.nan, expected=0, p_value=1.0).p_value == 0
    assert Comparison(what="", found=0.0, expected=0, p_value=math.nan).p_value == 0


def test_a_claim_that_canaries_refute_beyond_doubt_is_not_certified():
    """At the certificate's own delta no number of right guesses would be beyond doubt."""
    plan = planned(noise_multiplier=20.0)
    trained, canaries = run(plan)
    assert bound_of(trained, plan, canaries).epsilon < 1
    canaries.scores = canaries.included * 1.0
    with pytest.raises(TrainingError, match="an attack on the run proved"):
        bound_of(trained, plan, canaries)
