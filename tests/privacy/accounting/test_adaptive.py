"""The total over runs that are chosen one after another, against somebody who chooses cleverly."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import norm

from safegen.errors import BudgetRefused
from safegen.privacy.accounting import adaptive
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.accounting.events import epsilon_of
from safegen.privacy.accounting.plan import PrivacyPlan, default_delta
from safegen.schemas.card import DataCard, PictureShape
from safegen.schemas.certificate import Gaussian, PoissonSubsampledGaussian

UNITS, TOTAL = 60_000, 10.0
DELTA = default_delta(UNITS)
FIRST = (1.0, 0.8)  # sampling probability and noise multiplier, of one step
# Each of these fits beside the first under the total, if both had been chosen beforehand.
SECOND = ((1.0, 0.717), (0.2, 0.5402), (0.05, 0.446), (0.003, 0.3239), (1 / UNITS, 0.18985))
# And each of these, with the least noise that the filter allows there.
GRANTED = ((1.0, 0.7238), (0.2, 0.5833), (0.05, 0.4983), (0.003, 0.3786), (1 / UNITS, 0.2451))


def card(**changes):
    fields = {
        "name": "patients",
        "source": "a hospital",
        "licence": "none",
        "count": UNITS,
        "shape": PictureShape(channels=1, height=28, width=28),
        "classes": ("well", "ill"),
        "digest": "sha256:aa",
        "units": UNITS,
    }
    return DataCard(**(fields | changes))


def one_step(q, sigma):
    return PrivacyPlan(
        epsilon=TOTAL,
        delta=DELTA,
        units=UNITS,
        expected_batch_size=round(q * UNITS),
        steps=1,
        clipping_norm=1.0,
        noise_multiplier=sigma,
    )


def event(q, sigma, count=1):
    return PoissonSubsampledGaussian(sampling_probability=q, noise_multiplier=sigma, count=count)


def exact_delta(q, sigma, epsilons):
    """Of one step with the record against the same without it, in closed form."""
    above = np.expm1(epsilons) + q  # of the likelihood ratio, beyond 1 - q
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = np.where(above > 0, sigma**2 * np.log(above / q) + 0.5, -np.inf)
    absent, present = ndtr(-cut / sigma), ndtr(-(cut - 1) / sigma)
    return (1 - q) * absent + q * present - np.exp(epsilons) * absent


def exact_delta_without(q, sigma, epsilons):
    """Likewise in the other order: without the record against with it."""
    above = np.exp(-epsilons) - 1 + q
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = np.where(above > 0, sigma**2 * np.log(above / q) + 0.5, -np.inf)
    absent, present = ndtr(cut / sigma), ndtr((cut - 1) / sigma)
    return absent - np.exp(epsilons) * ((1 - q) * absent + q * present)


def delta_of_who_chooses(plans):
    """At the total, when the second plan is the worst of some for what the first one gave."""
    mu = 1 / FIRST[1]
    z = np.linspace(-12, 12, 24_001)
    loss = mu * mu / 2 + mu * z
    worst = np.max([exact_delta(q, sigma, TOTAL - loss) for q, sigma in plans], axis=0)
    return float(np.trapezoid(worst * norm.pdf(z), z))


def test_losses_that_fit_one_by_one_are_exceeded_by_choosing_among_them():
    """Why privacy losses may not be added up as if all runs had been chosen beforehand."""
    for plan in SECOND:
        assert delta_of_who_chooses([plan]) <= DELTA
    assert delta_of_who_chooses(SECOND) > 1.81 * DELTA


def test_the_ledger_grants_no_second_plan_to_choose_from_beyond_the_total(tmp_path):
    budget = Budget(str(tmp_path / "budget.db"))
    budget.grant(one_step(*FIRST), card())
    for plan in SECOND[::2]:
        with pytest.raises(BudgetRefused, match="total budget of epsilon 10"):
            budget.grant(one_step(*plan), card())
    (account,) = budget.accounts()
    assert account.runs == 1


def test_who_chooses_among_what_the_ledger_does_grant_stays_within_the_total(tmp_path):
    budget = Budget(str(tmp_path / "budget.db"))
    budget.grant(one_step(*FIRST), card())
    for plan in GRANTED:
        budget.require_room(one_step(*plan), card())
    assert 0.5 * DELTA < delta_of_who_chooses(GRANTED) <= DELTA


@pytest.mark.parametrize(("q", "sigma"), [(1.0, 0.9), (0.3, 0.5), (0.3, 4.0), (0.001, 0.6)])
def test_a_run_has_nowhere_more_delta_than_its_mu_and_slack_say(q, sigma):
    slack = adaptive.slack_of(1, DELTA)
    mu = adaptive.mu_of([event(q, sigma)], slack)
    epsilons = np.linspace(0, 60, 7_919)
    allowed = (1 - slack) * adaptive.gaussian_deltas(mu, epsilons) + slack
    for delta in (exact_delta(q, sigma, epsilons), exact_delta_without(q, sigma, epsilons)):
        assert (delta <= allowed * (1 + 1e-9)).all()
    less = (1 - slack) * adaptive.gaussian_deltas(mu * 0.98, epsilons) + slack
    assert (exact_delta(q, sigma, epsilons) > less).any()


def test_mu_is_hardly_above_what_it_must_be():
    """Of a Gaussian release it is one over the noise; of many sampled steps nearly epsilon's."""
    for sigma in (0.5, 2.0, 40.0):
        mu = adaptive.mu_of([Gaussian(noise_multiplier=sigma)], adaptive.slack_of(1, DELTA))
        assert 1 / sigma * 0.9999 < mu < 1 / sigma * 1.02
    run = [event(0.07, 1.87, 1500)]
    counts = adaptive.epsilon_of_mu(adaptive.mu_of(run, adaptive.slack_of(1, DELTA)), DELTA)
    assert epsilon_of(run, DELTA) < counts < 1.01 * epsilon_of(run, DELTA)


def test_a_run_that_hides_nobody_counts_without_end():
    assert adaptive.mu_of([Gaussian(noise_multiplier=0.05)], 1e-9) == math.inf
    assert adaptive.epsilon_of_mu(math.inf, DELTA) == math.inf


def test_nothing_ran_counts_nothing():
    assert adaptive.mu_of([], 1e-9) == 0
    assert adaptive.epsilon_of_mu(0.0, DELTA) == 0


def test_however_many_runs_there_are_their_slacks_stay_below_the_reserve():
    slacks = [adaptive.slack_of(number, DELTA) for number in range(1, 10_000)]
    assert sum(slacks) < adaptive.SLACK_SHARE * DELTA
    assert min(slacks) > 0


@settings(max_examples=30)
@given(epsilon=st.floats(0.05, 100.0), delta=st.floats(1e-10, 1e-3))
def test_a_total_and_its_mu_belong_to_each_other_on_the_safe_side(epsilon, delta):
    mu = adaptive.total_mu(epsilon, delta)
    back = adaptive.epsilon_of_mu(mu, delta)
    assert back == pytest.approx(epsilon, rel=1e-3)
    (at_total,) = adaptive.gaussian_deltas(mu, np.array([epsilon]))
    assert at_total <= (1 - adaptive.SLACK_SHARE) * delta
