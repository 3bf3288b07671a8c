"""The lattice and its noise: what rounding adds, and that the noise is the Gaussian it should be.

Draws are from a fixed key, so that a test of their law gives the same answer every time.
"""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from safegen.privacy.mechanism.lattice import (
    ARITHMETIC_ALLOWANCE,
    MAX_LATTICE_POINTS,
    ROUNDING_ALLOWANCE,
    Lattice,
    lattice,
)
from safegen.privacy.mechanism.noise import secure_generator

KEY = 2026
MANY = 10_000_000

norms = st.floats(1e-6, 1e6)
multipliers = st.floats(0.05, 1e4)


def grid(clipping_norm=1.0, noise_multiplier=1.0, dimensions=1000):
    return lattice(
        clipping_norm=clipping_norm, noise_multiplier=noise_multiplier, dimensions=dimensions
    )


# Its size


@given(norm=norms, multiplier=multipliers, dimensions=st.integers(1, 10**9))
def test_the_spacing_is_a_power_of_two_and_the_margin_is_small(norm, multiplier, dimensions):
    made = grid(norm, multiplier, dimensions)
    assert math.frexp(made.spacing)[0] == 0.5
    assert (
        ARITHMETIC_ALLOWANCE
        < made.margin
        <= (ROUNDING_ALLOWANCE + ARITHMETIC_ALLOWANCE) * (1 + 1e-12)
    )
    assert (
        made.spacing * math.sqrt(dimensions) >= ROUNDING_ALLOWANCE * norm / 2
    )  # and no finer than need be
    assert made.sensitivity == pytest.approx(norm * (1 + made.margin), rel=1e-12)
    assert made.deviation == pytest.approx(multiplier * made.sensitivity, rel=1e-12)


# What rounding does


@given(
    norm=st.floats(1e-3, 1e3),
    dimensions=st.integers(1, 300),
    scale=st.floats(0, 1e4),
    seed=st.integers(0, 2**32 - 1),
)
def test_rounding_moves_two_neighbouring_sums_apart_by_at_most_the_sensitivity(
    norm, dimensions, scale, seed
):
    made, rng = grid(norm, 1.0, dimensions), np.random.default_rng(seed)
    others = scale * norm * rng.standard_normal(dimensions)
    one = rng.standard_normal(dimensions) * rng.integers(0, 2, dimensions)
    one *= norm / max(np.linalg.norm(one), 1e-300)
    moved = made.points(others + one) - made.points(others)
    assert np.linalg.norm(made.values(moved)) <= made.sensitivity


@pytest.mark.parametrize("dimensions", [1, 7, 1000, 100_000])
def test_the_worst_sum_comes_close_to_the_sensitivity(dimensions):
    """Every coordinate lies just below the middle between two points and moves just past another.

    So the margin for rounding is needed in full.
    """
    made = grid(1.0, 1.0, dimensions)
    whole = math.floor(1 / (made.spacing * math.sqrt(dimensions)))
    others = np.full(dimensions, made.spacing * (0.5 - 2**-20))
    one = np.full(dimensions, made.spacing * (whole - 1 + 2**-18))
    length = np.linalg.norm(one)
    assert length <= 1
    moved = made.points(others + one) - made.points(others)
    assert (moved == whole).all()
    apart = np.linalg.norm(made.values(moved)) - length
    assert apart > 0.999 * made.spacing * math.sqrt(dimensions)
    assert apart <= made.margin - ARITHMETIC_ALLOWANCE + 1e-12  # the allowance is for other errors


@given(
    parts=st.lists(st.floats(2**-52 - 1, 1 - 2**-52), min_size=1, max_size=50),
    size=st.integers(-60, 52),
    norm=norms,
    multiplier=multipliers,
    key=st.integers(0, 2**128 - 1),
)
def test_every_released_value_is_on_the_lattice_exactly(parts, size, norm, multiplier, key):
    """For sums of every size that is taken, up to the last one below the guard."""
    made = grid(norm, multiplier, len(parts))
    summed = np.array(parts) * 2.0**size * made.spacing
    points = made.points(summed)
    noisy = points + made.noise(len(summed), secure_generator(key))
    values = made.values(noisy)
    assert noisy.dtype == np.int64
    assert values.dtype == np.float64
    assert [Fraction(value) for value in values.tolist()] == [
        point * Fraction(made.spacing) for point in noisy.tolist()
    ]
    for value, point in zip(summed.tolist(), points.tolist(), strict=True):
        assert abs(Fraction(value) / Fraction(made.spacing) - point) <= Fraction(1, 2)


@pytest.mark.parametrize("value", [0.5 - 2**-54, 2**51 + 0.5, 2**52 - 1.0, 2**52 - 0.75])
def test_rounding_is_to_the_nearest_where_adding_a_half_is_not(value):
    """0.5 - 2^-54 and a half make 1 in float64, and above 2^52 no half can be added at all."""
    made = Lattice(spacing=1.0, sensitivity=1.0, deviation=1.0, margin=0.0)
    for summed in (value, -value):
        (point,) = made.points(np.array([summed])).tolist()
        assert abs(Fraction(summed) - point) <= Fraction(1, 2)


@given(
    st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=20),
    st.lists(st.integers(-(2**50), 2**50), min_size=20, max_size=20),
)
def test_points_add_up_exactly_in_any_order(points, noise):
    """Which floating point does not, and what it loses tells of the sum."""
    made, noise = grid(), noise[: len(points)]
    before = made.values(np.array(points))
    together = made.points(before) + np.array(noise)
    assert together.tolist() == [a + b for a, b in zip(points, noise, strict=True)]
    assert (made.points(made.values(together)) == together).all()


# The noise


@functools.cache
def draws():
    """Many draws of a noise whose lattice is as fine as in training, in deviations."""
    made = grid(0.3, 2.0, 50_000)
    drawn = made.values(made.noise(MANY, secure_generator(KEY)))
    return drawn / made.deviation


def test_the_noise_has_the_planned_mean_and_variance():
    drawn = draws()
    assert abs(drawn.mean()) < 4 / math.sqrt(MANY)
    assert abs(drawn.var() - 1) < 4 * math.sqrt(2 / MANY)
    assert abs((drawn**3).mean()) < 4 * math.sqrt(15 / MANY)
    assert abs((drawn**4).mean() - 3) < 4 * math.sqrt(96 / MANY)


def test_the_noise_is_gaussian_in_every_bin():
    edges = np.concatenate([[-np.inf], np.linspace(-4.5, 4.5, 181), [np.inf]])
    counts, _ = np.histogram(draws(), edges)
    expected = MANY * np.diff(stats.norm.cdf(edges))
    assert expected.min() > 5
    assert 1e-4 < stats.chisquare(counts, expected).pvalue < 1 - 1e-4


def test_the_noise_has_tails():
    """A clipped or coarse generator would cut them off, and with them the guarantee's delta."""
    drawn = draws()
    assert 4.8 < drawn.max() < 6.6
    assert -6.6 < drawn.min() < -4.8
    for deviations in (3.0, 3.5, 4.0, 4.5):
        beyond = int((np.abs(drawn) > deviations).sum())
        chance = 2 * stats.norm.sf(deviations)
        assert stats.binomtest(beyond, MANY, chance).pvalue > 1e-4


@pytest.mark.parametrize("fineness", [2.0**-12, 2.0**-3, 0.5, 1.5])
def test_the_noise_is_a_rounded_gaussian_on_any_lattice(fineness):
    """Each point has the chance of the Gaussian between its two middles, however coarse it is."""
    made = Lattice(spacing=fineness, sensitivity=1.0, deviation=1.0, margin=0.0)
    points = made.noise(1_000_000, secure_generator(KEY))
    reach = min(int(4.2 / fineness), 2000)
    edges = (np.arange(-reach, reach + 2) - 0.5) * fineness
    edges[[0, -1]] = -np.inf, np.inf
    counts = np.bincount(np.clip(points, -reach, reach) + reach, minlength=2 * reach + 1)
    expected = len(points) * np.diff(stats.norm.cdf(edges))
    assert 1e-4 < stats.chisquare(counts, expected).pvalue < 1 - 1e-4


@pytest.mark.parametrize("multiplier", [0.05, 1.0, 300.0])
def test_the_noise_is_gaussian_by_kolmogorov_and_smirnov(multiplier):
    """Rounding moves a draw by half a spacing at most, and so the distribution by no more."""
    made = grid(1.0, multiplier, 10_000)
    drawn = made.values(made.noise(1_000_000, secure_generator(KEY))) / made.deviation
    rounding = made.spacing / made.deviation * stats.norm.pdf(0) / 2
    distance = max(stats.kstest(drawn, "norm").statistic - rounding, 0.0)
    assert stats.kstwo.sf(distance, len(drawn)) > 1e-4
    assert rounding < 0.01  # or the test would say nothing


def test_draws_beside_each_other_are_independent():
    drawn = draws()
    for lag in (1, 2, 64):
        correlation = np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]
        assert abs(correlation) < 4 / math.sqrt(MANY)


def test_two_generators_never_agree():
    made = grid(1.0, 10.0, 100)
    one, two = (made.noise(1000, secure_generator()) for _ in range(2))
    assert (one == two).mean() < 0.01
    same = secure_generator(KEY)
    again = made.noise(1000, same), made.noise(1000, same)
    assert (again[0] == again[1]).mean() < 0.01


# What does not fit


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_a_sum_that_is_not_finite_or_too_large_is_refused(broken):
    made = grid()
    for place in range(3):
        summed = np.zeros(3)
        summed[place] = broken
        with pytest.raises(OverflowError, match="not finite, or too large"):
            made.points(summed)


def test_the_largest_sum_leaves_room_for_the_noise():
    made = grid(1.0, 1.0, 4)
    edge = MAX_LATTICE_POINTS * made.spacing
    with pytest.raises(OverflowError):
        made.points(np.array([edge]))
    inside = edge - made.spacing
    points = made.points(np.array([inside, -inside]))
    assert (made.values(points) == [inside, -inside]).all()
    loudest = grid(1.0, 1e6, 10**9)  # as much noise as a certificate can state
    beyond = 10 * loudest.deviation / loudest.spacing
    assert beyond + MAX_LATTICE_POINTS < 2**53  # with noise, too, float64 holds each point
    assert (
        1000 * MAX_LATTICE_POINTS + beyond < 2**63
    )  # and a thousand processes' integers add up exactly
