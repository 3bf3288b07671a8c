"""Poisson sampling, measured: who enters a step, with how many records, in which process.

Draws are from fixed keys, so that a test of their law gives the same answer every time.
"""

import numpy as np
import pytest
from scipy import stats

from safegen.errors import PlanError
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.mechanism.noise import secure_generator
from safegen.privacy.mechanism.sampling import ABSENT_ROW, PoissonSampler

KEY = 7
CHANCE = 1e-4  # below which a test of a law fails


def plan(units=100, batch=10, records=1, unit=None):
    return PrivacyPlan(
        epsilon=8.0,
        delta=1e-4,
        units=units,
        expected_batch_size=batch,
        steps=50,
        clipping_norm=1.0,
        noise_multiplier=1.0,
        unit=unit or ("record" if records == 1 else "group"),
        records_per_unit=records,
    )


def sampler(plan, groups=None, key=KEY, **options):
    return PoissonSampler(plan, groups, generator=secure_generator(key), **options)


def members(sampler, steps, units):
    """Which records were in which step: (steps, units), bool."""
    drawn = np.zeros((steps, units), dtype=bool)
    for step in drawn:
        rows = sampler.draw().rows
        assert len(set(rows.tolist())) == len(rows)
        step[rows] = True
    return drawn


def chi_square(counts, trials, probability):
    """How likely counts of independent trials are to lie this far from, or this near to, fair."""
    fair = trials * probability
    statistic = ((counts - fair) ** 2 / (fair * (1 - probability))).sum()
    return 2 * min(stats.chi2.cdf(statistic, counts.size), stats.chi2.sf(statistic, counts.size))


# Records


@pytest.fixture(scope="module")
def drawn():
    return members(sampler(plan()), 20_000, 100)


def test_sizes_are_binomial(drawn):
    """A fixed size, or one that varies less, would be another mechanism than the accounted."""
    sizes = drawn.sum(axis=1)
    low, high = 3, 19  # beyond these few steps fall, so they are counted together
    counts = np.bincount(np.clip(sizes, low, high), minlength=high + 1)[low:]
    chances = stats.binom.pmf(np.arange(low, high + 1), 100, 0.1)
    chances[0], chances[-1] = stats.binom.cdf(low, 100, 0.1), stats.binom.sf(high - 1, 100, 0.1)
    assert stats.chisquare(counts, len(sizes) * chances).pvalue > CHANCE


def test_every_record_enters_equally_often(drawn):
    assert chi_square(drawn.sum(axis=0), len(drawn), 0.1) > CHANCE


def test_pairs_of_records_are_uncorrelated(drawn):
    correlations = np.corrcoef(drawn.T)[np.triu_indices(100, 1)]
    scaled = correlations * np.sqrt(len(drawn))
    assert abs(scaled.mean()) < 4 / np.sqrt(scaled.size)
    assert np.abs(scaled).max() < stats.norm.isf(CHANCE / 2 / scaled.size)


def test_steps_are_independent_of_each_other(drawn):
    """As shuffled batches are not: who was in one would stay out of the next."""
    again = int((drawn[1:] & drawn[:-1]).sum())
    assert stats.binomtest(again, drawn[1:].size, 0.01).pvalue > CHANCE


def test_a_plan_that_takes_everybody_takes_everybody():
    assert sampler(plan(batch=100)).draw().rows.tolist() == list(range(100))


def test_an_empty_step_is_possible():
    sizes = [len(sampler(plan(batch=1), key=key).draw().rows) for key in range(50)]
    assert min(sizes) == 0


# Groups


SIZES = np.array([1, 2, 3, 4, 8, 20, 5, 1])
MOST = 4


@pytest.fixture(scope="module")
def groups():
    """The unit of each of 44 records, in no order."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(SIZES)), SIZES))


def by_group(groups, batch=4, **options):
    return sampler(plan(len(SIZES), batch, MOST, "group"), groups, **options)


@pytest.fixture(scope="module")
def steps(groups):
    """Rows of many steps, each (drawn units, MOST)."""
    drawing = by_group(groups)
    return [drawing.draw().rows.reshape(-1, MOST) for _ in range(20_000)]


def test_a_group_enters_as_a_unit_with_at_most_so_many_of_its_own_records(groups, steps):
    for rows in steps[:2000]:
        for unit in rows:
            records = unit[unit != ABSENT_ROW]
            (group,) = set(groups[records])
            assert len(set(records.tolist())) == len(records) == min(MOST, SIZES[group])
            assert (unit[len(records) :] == ABSENT_ROW).all()
        first = groups[rows[:, 0]]
        assert len(set(first.tolist())) == len(rows)  # no unit twice


def test_groups_enter_independently_and_whatever_their_size(groups, steps):
    entered = np.zeros((len(steps), len(SIZES)), dtype=bool)
    for step, rows in zip(entered, steps, strict=True):
        step[groups[rows[:, 0]]] = True
    assert chi_square(entered.sum(axis=0), len(steps), 0.5) > CHANCE
    scaled = np.corrcoef(entered.T)[np.triu_indices(len(SIZES), 1)] * np.sqrt(len(steps))
    assert np.abs(scaled).max() < stats.norm.isf(CHANCE / 2 / scaled.size)


def test_no_record_of_a_group_that_was_not_drawn_appears(groups):
    """Each unit has as many rows as the plan allows, and all present ones are of so many units."""
    drawing = by_group(groups, batch=1)
    for _ in range(300):
        rows = drawing.draw().rows
        present = rows[rows != ABSENT_ROW]
        assert len(rows) == MOST * len(set(groups[present].tolist()))


def test_each_record_of_a_large_group_is_drawn_equally_often(groups, steps):
    present = np.concatenate([rows[rows != ABSENT_ROW] for rows in steps])
    often = np.bincount(present, minlength=len(groups))
    for group, size in enumerate(SIZES):
        counts = often[groups == group]
        if size <= MOST:
            assert len(set(counts.tolist())) == 1  # all of them, every time
        else:
            assert stats.chisquare(counts).pvalue > CHANCE


def test_which_records_of_a_group_is_drawn_anew_in_each_step(groups):
    drawing = by_group(groups, batch=len(SIZES))
    large = [
        frozenset(row.tolist())
        for row in (drawing.draw().rows.reshape(-1, MOST)[5] for _ in range(20))
    ]
    assert len(set(large)) > 15


def test_a_step_without_groups_has_no_rows(groups):
    for key in range(20):
        draw = by_group(groups, batch=1, key=key).draw()
        assert draw.rows.dtype == np.int64
        if not len(draw.rows):
            return
    pytest.fail("no step was empty")


@pytest.mark.parametrize(
    ("groups", "units"),
    [
        ([0, 0, 1, 2], 4),  # too few
        ([0, 0, 1, 2], 2),  # too many
        ([0, 0, 2, 2], 3),  # one of them has no record
        ([], 2),
    ],
)
def test_groups_that_are_not_the_plan_s_are_refused(groups, units):
    with pytest.raises(PlanError, match=f"plan is for {units} groups"):
        sampler(plan(units, 1, 2), np.array(groups, dtype=np.int64))


@pytest.mark.parametrize("records", [1, 4])
def test_a_plan_for_groups_needs_groups(records):
    """Otherwise records would be drawn as if each were a unit, and a patient several times."""
    with pytest.raises(PlanError, match="unit is a group"):
        sampler(plan(10, 2, records, "group"))


# Canaries


def test_canaries_enter_independently_with_the_plan_s_probability():
    inserted = np.array([0, 3, 4, 17, 30])
    drawing = sampler(plan(), canaries=inserted)
    entered = np.zeros((20_000, 31), dtype=bool)
    for step in entered:
        step[drawing.draw().canaries] = True
    assert not np.delete(entered, inserted, axis=1).any()
    assert chi_square(entered.sum(axis=0)[inserted], len(entered), 0.1) > CHANCE
    scaled = np.corrcoef(entered[:, inserted].T)[np.triu_indices(5, 1)] * np.sqrt(len(entered))
    assert np.abs(scaled).max() < stats.norm.isf(CHANCE / 2 / scaled.size)


def test_canaries_do_not_change_who_else_enters():
    with_canaries = sampler(plan(), canaries=np.arange(1000)).draw()
    without = sampler(plan()).draw()
    assert with_canaries.rows.tolist() == without.rows.tolist()
    assert len(without.canaries) == 0
    assert len(with_canaries.canaries) > 0


# Several processes


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_shares_divide_units_and_canaries_without_a_gap_or_an_overlap(world):
    inserted = np.array([2, 3, 5, 8, 13, 21])
    draws = [
        sampler(plan(batch=100), canaries=inserted, share=(rank, world)).draw()
        for rank in range(world)
    ]
    assert sorted(np.concatenate([draw.rows for draw in draws])) == list(range(100))
    assert sorted(np.concatenate([draw.canaries for draw in draws])) == inserted.tolist()
    assert max(len(draw.rows) for draw in draws) <= -(-100 // world)


@pytest.mark.parametrize("world", [2, 3])
def test_shares_divide_groups_as_units(groups, world):
    draws = [
        by_group(groups, batch=len(SIZES), share=(rank, world)).draw().rows.reshape(-1, MOST)
        for rank in range(world)
    ]
    first = np.concatenate([groups[rows[:, 0]] for rows in draws])
    assert sorted(first) == list(range(len(SIZES)))


def test_a_share_draws_its_units_with_the_plan_s_probability():
    entered = members(sampler(plan(), share=(1, 3)), 5000, 100)
    assert not np.delete(entered, np.arange(1, 100, 3), axis=1).any()
    assert chi_square(entered[:, 1::3].sum(axis=0), len(entered), 0.1) > CHANCE
