"""Noise that comes again is found wherever it is, and sound noise hardly ever taken for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.audit.repetition import repetitions

SURE = 1e-6


def p_values(noise):
    return [each.p_value for each in repetitions(noise)]


@pytest.mark.parametrize("count", [3, 4, 5, 300, 1001])
def test_a_bound_on_false_alarms_holds(count):
    """P-values of sound noise are below a level no more often than it says."""
    rng = np.random.default_rng(count)
    runs = np.array([p_values(rng.standard_normal(count)) for _ in range(2000)])
    for level in (0.5, 0.1, 0.01):
        share = (runs <= level).mean(axis=0)
        assert (share <= level + 4 * np.sqrt(level / 2000)).all(), share


def test_the_mirror_is_exact():
    """At one place; so that the bound over all n places is no looser than adding them up."""
    rng = np.random.default_rng(1)
    runs = np.array([p_values(rng.standard_normal(101))[1] for _ in range(4000)])
    assert 0.05 < (runs <= 0.1).mean() <= 0.12


@given(
    place=st.integers(0, 9_000),
    length=st.integers(30, 400),
    moved=st.integers(400, 9_000),
    sign=st.sampled_from([1, -1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_few_numbers_that_come_again_are_found_anywhere(place, length, moved, sign, seed):
    noise = np.random.default_rng(seed).standard_normal(19_000)
    there = place + moved
    noise[there : there + length] = sign * noise[place : place + length].copy()
    noise[there : there + length] += 1e-6 * np.random.default_rng(seed + 1).standard_normal(length)
    assert p_values(noise)[2] < SURE


@pytest.mark.parametrize("distance", [1, 2, 977, 10_000, 19_000])
@pytest.mark.parametrize("share", [0.3, -0.5, 0.7])
def test_noise_mixed_with_noise_from_any_distance_is_found(distance, share):
    """Not one number is the same; half of it, or a tenth of its variance, is."""
    rng = np.random.default_rng(0)
    fresh = rng.standard_normal(40_000 + distance)
    mixed = np.sqrt(1 - share**2) * fresh[distance:] + share * fresh[:-distance]
    assert p_values(mixed)[0] < SURE


def test_noise_read_backwards_is_found():
    noise = np.random.default_rng(0).standard_normal(20_001)
    noise[15_000:] = noise[:5_001][::-1]
    assert p_values(noise)[1] < SURE


@pytest.mark.parametrize("noise", [np.zeros(999), np.full(999, np.nan), np.ones(1000)])
def test_no_noise_at_all_is_not_sound(noise):
    assert max(p_values(noise)) < SURE


def test_one_huge_number_is_no_crash():
    noise = np.random.default_rng(0).standard_normal(999)
    noise[5] = 1e30
    assert len(p_values(noise)) == 3
