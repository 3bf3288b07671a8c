import math
import time

import pytest

from safegen.data.sources import load
from safegen.errors import TrainingError
from safegen.privacy.accounting.certify import certify as certificate_of
from safegen.privacy.accounting.plan import Workload, plan_within
from safegen.privacy.accounting.recompute import agrees, faults, recomputed_epsilon
from safegen.schemas.certificate import LowerBound, Noise, PoissonSubsampledGaussian


@pytest.fixture(scope="module")
def plan():
    return plan_within(
        Workload(units=1797, expected_batch_size=128, steps=30, clipping_norm=1.0), epsilon=4.0
    )


@pytest.fixture(scope="module")
def card():
    return load("digits").card


NOISE = Noise(
    source="operating system",
    lattice_spacing=2**-18,
    sensitivity_margin=0.002,
    arithmetic_allowance=0.001,
)


def certify(plan, events, steps_run, card, noise=NOISE):
    return certificate_of(plan, events, card, steps_run=steps_run, noise=noise, lower_bound=None)


def test_the_certificate_speaks_of_what_ran_not_of_the_plan(plan, card):
    early = certify(plan, plan.events(10), 10, card)
    whole = certify(plan, plan.events(), 30, card)
    assert early.epsilon < whole.epsilon <= 4.0
    assert early.outcome == "budget_exhausted"
    assert whole.outcome == "completed"
    assert whole.lower_bound is None


def test_a_run_over_its_budget_gets_no_certificate(plan, card):
    with pytest.raises(TrainingError, match="more than its budget"):
        certify(plan, plan.events(60), 60, card)


def test_a_false_epsilon_does_not_agree(plan, card):
    honest = certify(plan, plan.events(), 30, card)
    assert agrees(honest)
    assert not agrees(honest.model_copy(update={"epsilon": honest.epsilon - 0.01}))


def test_noise_from_a_seed_voids_the_certificate(plan, card):
    seeded = NOISE.model_copy(update={"source": "unsafe seed"})
    assert not agrees(certify(plan, plan.events(), 30, card, noise=seeded))


def test_a_certificate_that_contradicts_itself_is_not_believed(plan, card):
    honest = certify(plan, plan.events(), 30, card)
    bound = LowerBound(
        epsilon=50.0, confidence=0.95, attack="x", canaries=100, guesses=90, correct=90
    )
    assert not faults(honest)
    assert any("an attack on its run" in f for f in faults(changed(honest, lower_bound=bound)))
    thin = NOISE.model_copy(update={"sensitivity_margin": 1e-12})
    assert any("less room" in f for f in faults(changed(honest, noise=thin)))
    assert any("not those" in f for f in faults(changed(honest, units=2)))


def changed(certificate, **fields):
    return certificate.model_copy(update=fields)


def test_a_strangers_certificate_cannot_ask_for_a_days_work(plan, card):
    honest = certify(plan, plan.events(), 30, card)
    huge = PoissonSubsampledGaussian(
        sampling_probability=1.0, noise_multiplier=0.05, count=10_000_000
    )
    started = time.monotonic()
    assert recomputed_epsilon(changed(honest, events=(huge,) * 3)) == math.inf
    assert time.monotonic() - started < 30  # an accountant would take hours


def test_recomputing_is_kept_by_what_it_was_computed_from(plan, card, tmp_path, monkeypatch):
    monkeypatch.setenv("SAFEGEN_CACHE", str(tmp_path))
    honest = certify(plan, plan.events(), 30, card)
    first = recomputed_epsilon(honest)
    (kept,) = (tmp_path / "epsilon").iterdir()
    assert recomputed_epsilon(honest) == first
    kept.write_text("broken")
    assert recomputed_epsilon(honest) == first
    other = honest.model_copy(update={"delta": honest.delta / 2})
    assert recomputed_epsilon(other) > first


def test_a_cache_that_cannot_be_written_costs_only_time(plan, card, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SAFEGEN_CACHE", str(tmp_path / "file"))
    honest = certify(plan, plan.events(), 30, card)
    assert recomputed_epsilon(honest) == pytest.approx(honest.epsilon)
