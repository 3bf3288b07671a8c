import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safegen.privacy.lattice import FINENESS
from safegen.privacy.release import SENSITIVITY, class_moments
from safegen.training.latents import gaussians

CLASSES, DIMENSIONS = 3, 4


class NoNoise:
    def standard_normal(self, shape):
        return np.zeros(shape)


def moments(vectors, labels, generator=None, **changes):
    settings_ = {"classes": CLASSES, "radius": 2.0, "noise_multiplier": 1.0} | changes
    return class_moments(vectors, labels, generator=generator or NoNoise(), **settings_)


def statistic(made):
    """What the release adds noise to: off-diagonal entries count with weight sqrt(2)."""
    rows, columns = np.triu_indices(DIMENSIONS)
    weights = np.where(rows == columns, 1, np.sqrt(2))
    upper = made.products[:, rows, columns] * weights
    return np.concatenate([made.counts, made.sums.ravel(), upper.ravel()])


records = st.lists(
    st.tuples(
        st.lists(st.floats(-50, 50), min_size=DIMENSIONS, max_size=DIMENSIONS),
        st.integers(0, CLASSES - 1),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(records)
def test_one_record_moves_the_statistic_by_at_most_sqrt_3(rows):
    vectors = np.array([vector for vector, _ in rows])
    labels = np.array([label for _, label in rows])
    whole = statistic(moments(vectors, labels))
    without = statistic(moments(vectors[1:].reshape(-1, DIMENSIONS), labels[1:]))
    assert np.linalg.norm(whole - without) <= SENSITIVITY * (1 + FINENESS)


def test_the_noise_has_the_stated_deviation_on_every_part():
    generator = np.random.default_rng(0)
    made = moments(
        np.zeros((0, 60)), np.zeros(0, dtype=int), generator, classes=200, noise_multiplier=0.5
    )
    assert made.deviation == pytest.approx(0.5 * np.sqrt(3), rel=2e-3)
    rows, columns = np.triu_indices(60, k=1)
    assert made.counts.std() == pytest.approx(made.deviation, rel=0.2)
    assert made.sums.std() == pytest.approx(made.deviation, rel=0.03)
    assert made.products[:, rows, columns].std() == pytest.approx(
        made.deviation / np.sqrt(2), rel=0.03
    )


def test_gaussians_find_where_classes_lie():
    generator = np.random.default_rng(1)
    centres = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, -1.0, 0]])
    labels = np.repeat(np.arange(3), 4000)
    vectors = centres[labels] + 0.2 * generator.standard_normal((12_000, 4))
    made = moments(vectors, labels, generator, noise_multiplier=2.0)
    means, factors = gaussians(made, least_variance=1e-4)
    assert means * 2.0 == pytest.approx(centres, abs=0.05)
    variances = np.einsum("kij,kij->ki", factors, factors) * 4
    assert variances == pytest.approx(np.full((3, 4), 0.04), abs=0.02)


def test_gaussians_of_noise_alone_are_still_proper():
    made = moments(
        np.zeros((0, 4)), np.zeros(0, dtype=int), np.random.default_rng(2), noise_multiplier=50.0
    )
    means, factors = gaussians(made, least_variance=0.01)
    assert np.isfinite(means).all()
    assert np.isfinite(factors).all()
    assert (np.linalg.norm(means, axis=1) <= 1 + 1e-9).all()
