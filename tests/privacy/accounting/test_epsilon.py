"""epsilon, against a library that is not ours, and against another method."""

import json
import math
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from safegen.errors import PlanError
from safegen.privacy.accounting import events as accounting
from safegen.privacy.accounting.events import calibrate, epsilon_of, surely_costs_more
from safegen.privacy.accounting.plan import Purpose, Share, Workload, default_delta, plan_within
from safegen.schemas.canonical import Record
from safegen.schemas.certificate import Gaussian, PoissonSubsampledGaussian, PrivacyCertificate

STRANGER = """
import json, sys
import dp_accounting
from dp_accounting.pld import PLDAccountant

certificate = json.load(open(sys.argv[1]))
assert certificate["neighbours"] == "zero_out_one"
accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
for event in certificate["events"]:
    step = dp_accounting.GaussianDpEvent(event["noise_multiplier"])
    if event["event"] == "poisson_subsampled_gaussian":
        step = dp_accounting.PoissonSampledDpEvent(event["sampling_probability"], step)
    accountant.compose(step, event["count"])
print(accountant.get_epsilon(certificate["delta"]))
"""


def test_a_stranger_with_dp_accounting_alone_recomputes_epsilon(made):
    path = made.model / "certificate.json"
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, path], capture_output=True, text=True, check=True
    )
    claimed = json.loads(path.read_text())["epsilon"]
    assert float(done.stdout) == pytest.approx(claimed, abs=1e-6)


def test_opacus_accountant_agrees_within_two_percent(made):
    from opacus.accountants import PRVAccountant

    certificate = json.loads((made.model / "certificate.json").read_text())
    accountant = PRVAccountant()
    accountant.history = [
        (event["noise_multiplier"], event.get("sampling_probability", 1.0), event["count"])
        for event in certificate["events"]
    ]
    with np.errstate(divide="ignore"):  # it takes log(1 - q) of a release that samples nobody out
        second = accountant.get_epsilon(certificate["delta"])
    assert second == pytest.approx(certificate["epsilon"], rel=0.02)


def test_the_anchor():
    steps = PoissonSubsampledGaussian(
        sampling_probability=256 / 1797, noise_multiplier=1.5, count=300
    )
    assert epsilon_of([steps, Gaussian(noise_multiplier=20.0)], 1e-5) == pytest.approx(
        9.46, abs=0.01
    )


@pytest.mark.parametrize("sigma", [0.7, 1.0, 3.0])
def test_one_gaussian_matches_the_exact_formula(sigma):
    """Balle & Wang 2018, theorem 8: delta of a Gaussian mechanism, solved for epsilon."""
    delta = 1e-5

    def exact_delta(epsilon):
        mu = 1 / sigma
        return norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(
            -mu / 2 - epsilon / mu
        )

    epsilon = epsilon_of([Gaussian(noise_multiplier=sigma)], delta)
    assert exact_delta(epsilon) == pytest.approx(delta, rel=1e-3)


def test_nothing_ran_costs_nothing():
    assert epsilon_of([], 1e-5) == 0


@settings(max_examples=10, deadline=None)
@given(
    sigma=st.floats(1.0, 5.0),
    count=st.integers(1, 50),
    q=st.floats(0.01, 0.5),
)
def test_epsilon_grows_with_steps_and_shrinks_with_noise(sigma, count, q):
    def at(s, k):
        event = PoissonSubsampledGaussian(sampling_probability=q, noise_multiplier=s, count=k)
        return epsilon_of([event], 1e-5)

    assert at(sigma, count) <= at(sigma, count + 1)
    assert at(sigma * 1.1, count) <= at(sigma, count)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 8.0])
def test_calibrated_noise_is_enough_and_hardly_more(epsilon):
    def events(sigma):
        return [
            PoissonSubsampledGaussian(sampling_probability=0.1, noise_multiplier=sigma, count=90)
        ]

    sigma = calibrate(events, epsilon=epsilon, delta=1e-5)
    assert epsilon_of(events(sigma), 1e-5) <= epsilon
    assert epsilon_of(events(sigma * 0.999), 1e-5) > epsilon


@pytest.mark.parametrize("noise_multiplier", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("count", [1, 20, 300])
def test_what_surely_costs_more_does_and_what_costs_far_more_surely_does(noise_multiplier, count):
    steps = PoissonSubsampledGaussian(
        sampling_probability=0.1, noise_multiplier=noise_multiplier, count=count
    )
    cost = accounting.coarse_epsilon_of([steps], 1e-5)
    assert not surely_costs_more([steps], cost, 1e-5)
    assert surely_costs_more([steps], cost - 0.01 * count - 0.1, 1e-5)


def test_an_impossible_target_refuses():
    dear = [Gaussian(noise_multiplier=0.5)]
    with pytest.raises(PlanError, match="no amount of noise"):
        calibrate(lambda s: [*dear, Gaussian(noise_multiplier=s)], epsilon=1.0, delta=1e-5)


class Laplace(Record):
    """An event that certificates do not know."""

    count: int = 1


def test_an_unknown_event_refuses():
    with pytest.raises(PlanError, match="cannot be skipped"):
        accounting.coarse_epsilon_of([Laplace()], 1e-5)


ALL = (
    Share(purpose="basis", share=0.05),
    Share(purpose="classes", share=0.1),
    Share(purpose="latents", share=0.1),
    Share(purpose="components", share=0.2, count=3),
    Share(purpose="grain", share=0.02),
    Share(purpose="judge", share=0.1, count=30),
)


ASKED = {"epsilon", "delta", "noise_multiplier", "rough"}


def plan(**changes):
    fields = {
        "epsilon": 4.0,
        "units": 1000,
        "expected_batch_size": 100,
        "steps": 50,
        "clipping_norm": 1.0,
    }
    fields |= changes
    asked = {name: fields.pop(name) for name in ASKED & fields.keys()}
    return plan_within(Workload(**fields), **asked)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epsilon": 0.0}, "epsilon is 0"),
        ({"epsilon": -1.0}, "epsilon is -1"),
        ({"epsilon": math.nan}, "epsilon is nan"),
        ({"epsilon": math.inf}, "epsilon is inf"),
        ({"delta": 1 / 1000}, "below 1/n"),
        ({"delta": 0.5}, "below 1/n"),
        ({"delta": 0.0}, "delta is 0"),
        ({"expected_batch_size": 1001}, "does not fit"),
        ({"expected_batch_size": 0}, "does not fit"),
        ({"steps": 0}, "0 steps cannot run"),
        ({"steps": 10**8}, "100000000 steps cannot run"),
        ({"delta": 1e-14}, "too small to be accounted for"),
        ({"epsilon": 1e4}, "less noise than hides anybody"),
        ({"units": 1, "expected_batch_size": 1}, "cannot hide anybody"),
        ({"clipping_norm": 0.0}, "clipping_norm"),
        ({"noise_multiplier": -1.0}, "noise_multiplier"),
        ({"shares": (Share(purpose="latents", share=1.0),)}, "all below 1"),
        ({"shares": (Share(purpose="latents", share=0.0),)}, "above 0"),
        ({"shares": (Share(purpose="latents", share=-0.1),)}, "above 0"),
        (
            {"shares": (Share(purpose="basis", share=0.6), Share(purpose="classes", share=0.5))},
            "come to 1.1",
        ),
        ({"shares": (Share(purpose="latents", share=0.1),) * 2}, "two releases have one purpose"),
        ({"shares": (Share(purpose="latents", share=0.1, count=0),)}, "0 releases"),
        ({"shares": (Share(purpose="gossip", share=0.1),)}, "'gossip'"),
        (
            {"shares": (Share(purpose="grain", share=1e-9),), "epsilon": 1e-3},
            "a certificate can state",
        ),
        (
            {"shares": (Share(purpose="grain", share=0.9),), "epsilon": 1e4},
            "less noise than hides anybody",
        ),
    ],
)
def test_a_plan_that_cannot_be_refuses(changes, reason):
    with pytest.raises(PlanError, match=reason):
        plan(**changes)


def test_a_plan_spends_its_budget_and_no_more():
    for shares in ((), ALL):
        made = plan(shares=shares)
        spent = epsilon_of(made.events(), made.delta)
        assert 0.99 * made.epsilon < spent <= made.epsilon
        assert made.affordable_steps() == made.steps
        assert made.delta == default_delta(1000)


def test_given_noise_buys_as_many_steps_as_the_budget_pays_for():
    made = plan(noise_multiplier=1.0, steps=500)
    allowed = made.affordable_steps()
    assert 0 < allowed < 500
    assert epsilon_of(made.events(allowed), made.delta) <= made.epsilon
    assert epsilon_of(made.events(allowed + 1), made.delta) > made.epsilon


def test_a_budget_that_pays_for_no_step_refuses():
    with pytest.raises(PlanError, match="does not pay for one step"):
        plan(noise_multiplier=0.3, epsilon=0.01)


def test_a_grant_holds_no_more_than_the_budget_pays_for():
    made = plan(noise_multiplier=1.0, steps=500)
    assert epsilon_of(made.granted_events(), made.delta) <= made.epsilon
    assert made.granted_events() == made.events(made.affordable_steps())


def test_events_of_a_plan_are_what_a_stranger_can_compose():
    events = plan(shares=ALL).events(7)
    assert [event.event for event in events] == [
        "poisson_subsampled_gaussian",
        *["gaussian"] * len(ALL),
    ]
    assert events[0].count == 7
    assert events[0].sampling_probability == 0.1
    assert [event.count for event in events[1:]] == [share.count for share in ALL]
    assert all(np.isfinite(event.noise_multiplier) for event in events[1:])


def test_the_most_that_a_run_can_have_fits_a_certificate(made):
    """Steps, and one event for each purpose: a run has no other kinds."""
    assert {share.purpose for share in ALL} == set(get_args(Purpose))
    certificate = json.loads((made.model / "certificate.json").read_text())
    events = plan(shares=ALL).events(7)
    whole = PrivacyCertificate.model_validate(certificate | {"events": events})
    assert whole.events == events
    with pytest.raises(ValueError, match="at most"):
        PrivacyCertificate.model_validate(certificate | {"events": events * 2})


def test_a_share_pays_for_its_releases_together():
    """Squared mu, which is 1 / sigma^2 of each release, adds up to the share of the whole."""
    whole = calibrate(
        lambda s: [Gaussian(noise_multiplier=s)], epsilon=4.0, delta=default_delta(1000)
    )
    made = plan(shares=ALL)
    for share in ALL:
        release = made.release(share.purpose)
        assert release.count == share.count
        assert release.count / release.noise_multiplier**2 == pytest.approx(share.share / whole**2)
        assert made.release(share.purpose).event.count == share.count
    assert plan().release("grain") is None
