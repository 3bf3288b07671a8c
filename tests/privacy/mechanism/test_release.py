"""A release moves by no more than its sensitivity, has the noise that it states, and its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.errors import TrainingError
from safegen.privacy.mechanism.lattice import ROUNDING_ALLOWANCE, Lattice
from safegen.privacy.mechanism.release import (
    COUNT_AND_SUM,
    COUNT_WEIGHT,
    MOMENTS,
    SUM,
    Mechanism,
    class_moments,
    class_sums,
    outer_products,
    total,
)

CLASSES, DIMENSIONS = 3, 4
RADIUS = 2.0


def mechanism(**changes):
    fields = {"name": "a test", "radius": RADIUS, "noise_multiplier": 1.0}
    return Mechanism(**(fields | changes))


def summed(vectors, labels, made):
    return total(vectors, made)[0]


def counted(vectors, labels, made):
    """What the release adds noise to: counts are made light."""
    found = class_sums(vectors, labels, CLASSES, made)
    return np.concatenate([COUNT_WEIGHT * found.counts, found.sums.ravel()])


def multiplied(vectors, labels, made):
    """Likewise: counts and sums are made light, off-diagonal entries have weight sqrt(2)."""
    found = class_moments(vectors, labels, CLASSES, made)
    rows, columns = np.triu_indices(DIMENSIONS)
    weights = np.where(rows == columns, 1, np.sqrt(2))
    upper = found.products[:, rows, columns] * weights
    return np.concatenate(
        [COUNT_WEIGHT * found.counts, COUNT_WEIGHT * found.sums.ravel(), upper.ravel()]
    )


def crossed(vectors, labels, made):
    """In units of the radius; what is crossed with a record's label may be long itself."""
    others = np.eye(CLASSES)[labels] * 3 - 1
    return (outer_products(vectors, others, made) / made.radius).ravel()


KINDS = [(summed, SUM), (counted, COUNT_AND_SUM), (multiplied, MOMENTS), (crossed, SUM)]

vectors_and_labels = st.lists(
    st.tuples(
        st.lists(st.floats(-50, 50), min_size=DIMENSIONS, max_size=DIMENSIONS),
        st.integers(0, CLASSES - 1),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture
def quiet(monkeypatch):
    """Releases without noise, so that what it hides can be looked at."""
    monkeypatch.setattr(
        Lattice, "noise", lambda _, dimensions, __: np.zeros(dimensions, dtype=np.int64)
    )


def split(rows):
    vectors = np.array([vector for vector, _ in rows]).reshape(-1, DIMENSIONS)
    return vectors, np.array([label for _, label in rows], dtype=np.int64)


@pytest.mark.parametrize(("statistic", "sensitivity"), KINDS)
def test_one_record_moves_the_statistic_by_at_most_its_sensitivity(quiet, statistic, sensitivity):
    @given(vectors_and_labels)
    def check(rows):
        vectors, labels = split(rows)
        whole = statistic(vectors, labels, mechanism())
        without = statistic(vectors[1:], labels[1:], mechanism())
        assert np.linalg.norm(whole - without) <= sensitivity * (1 + ROUNDING_ALLOWANCE)

    check()


@pytest.mark.parametrize(("statistic", "sensitivity"), KINDS)
def test_one_group_moves_the_statistic_by_at_most_its_sensitivity(quiet, statistic, sensitivity):
    """However many records it has, and whatever classes they are of."""

    @given(vectors_and_labels, vectors_and_labels)
    def check(others, mine):
        vectors, labels = split([*others, *mine])
        groups = np.concatenate([np.arange(len(others)), np.full(len(mine), len(others))])
        whole = statistic(vectors, labels, mechanism(groups=groups))
        rest = slice(0, len(others))
        without = statistic(vectors[rest], labels[rest], mechanism(groups=groups[rest]))
        assert np.linalg.norm(whole - without) <= sensitivity * (1 + ROUNDING_ALLOWANCE)

    check()


@pytest.mark.parametrize(("statistic", "sensitivity"), KINDS)
def test_the_sensitivity_is_reached_so_that_no_noise_is_wasted(quiet, statistic, sensitivity):
    longest = np.array([[100.0, 0, 0, 0]])
    moved = statistic(longest, np.array([1]), mechanism())
    assert np.linalg.norm(moved) == pytest.approx(sensitivity, rel=1e-3)


@pytest.mark.parametrize(("statistic", "sensitivity"), KINDS)
def test_groups_of_one_are_records(quiet, statistic, sensitivity):
    vectors, labels = np.random.default_rng(0).normal(size=(9, DIMENSIONS)), np.arange(9) % CLASSES
    alone = statistic(vectors, labels, mechanism(groups=np.arange(9)))
    assert np.array_equal(alone, statistic(vectors, labels, mechanism()))


def test_the_noise_has_the_stated_deviation_on_every_part():
    nobody, nothing = np.zeros((0, 60)), np.zeros(0, dtype=int)
    made = class_moments(nobody, nothing, 200, mechanism(noise_multiplier=0.5))
    assert made.deviation == pytest.approx(0.5 * np.sqrt(1.5), rel=2e-3)
    assert made.count_deviation == pytest.approx(np.sqrt(1.5), rel=2e-3)
    rows, columns = np.triu_indices(60, k=1)
    assert made.counts.std() == pytest.approx(made.count_deviation, rel=0.2)
    assert made.sums.std() == pytest.approx(made.count_deviation, rel=0.03)
    assert made.products[:, rows, columns].std() == pytest.approx(
        made.deviation / np.sqrt(2), rel=0.03
    )
    sums = class_sums(nobody, nothing, 200, mechanism(noise_multiplier=0.5))
    assert sums.deviation == pytest.approx(0.5 * np.sqrt(1.25), rel=2e-3)
    assert sums.counts.std() == pytest.approx(sums.count_deviation, rel=0.2)
    assert sums.sums.std() == pytest.approx(sums.deviation, rel=0.03)
    plain, deviation = total(np.zeros((0, 10_000)), mechanism(noise_multiplier=0.5))
    assert deviation == pytest.approx(0.5, rel=2e-3)
    assert plain.std() == pytest.approx(deviation, rel=0.03)
    nothing = np.zeros((0, 100))
    products = outer_products(nothing, nothing, mechanism(noise_multiplier=0.5))
    assert products.std() == pytest.approx(0.5 * RADIUS, rel=0.03)


def test_short_products_are_added_up_as_they_are(quiet):
    left, right = np.random.default_rng(0).normal(size=(2, 20_000, 2)) / 10
    found = outer_products(left, right, mechanism())
    assert found == pytest.approx(left.T @ right, abs=0.02)


VECTORS = np.random.default_rng(0).normal(size=(300, DIMENSIONS))


def released(**changes):
    return total(VECTORS, mechanism(**({"key": 7} | changes)))[0]


def noise_of(**changes):
    """What a release of the same vectors adds to their sum."""
    return released(**changes) - total(VECTORS, mechanism(noise_multiplier=1e-6))[0]


def test_a_release_done_again_is_the_same():
    assert np.array_equal(released(), released())


def test_without_a_key_no_two_are_the_same():
    assert np.abs(released(key=None) - released(key=None)).max() > 1e-3


@pytest.mark.parametrize("change", [{"key": 8}, {"name": "another"}, {"noise_multiplier": 1.0001}])
def test_any_other_release_has_noise_of_its_own(change):
    assert np.abs(noise_of() - noise_of(**change)).max() > 1e-3


def test_another_statistic_under_one_name_and_key_has_noise_of_its_own():
    """As when eigenvectors come out with other signs: under one noise, the difference would tell.

    The codes may even be the same, as long as what is released of them is not.
    """
    flipped = total(-VECTORS, mechanism(key=7))[0]
    exact = total(VECTORS, mechanism(noise_multiplier=1e-6))[0]
    assert np.abs((released() - flipped) / 2 - exact).max() > 1e-2
    nearly = VECTORS.copy()
    nearly[0, 0] += 0.01
    assert np.abs(total(nearly, mechanism(key=7))[0] - released()).max() > 0.05


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_not_released(wrong):
    broken = VECTORS.copy()
    broken[3, 1] = wrong
    with pytest.raises(TrainingError, match=r"a test .* not finite"), np.errstate(invalid="ignore"):
        total(broken, mechanism())
    with pytest.raises(TrainingError, match=r"a test .* not finite"), np.errstate(invalid="ignore"):
        outer_products(VECTORS, broken, mechanism())
