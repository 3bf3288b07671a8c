"""The latent prior releases what it says it releases, and makes the best of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.mechanism import release as releasing
from safegen.privacy.mechanism.release import Mechanism, class_moments
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateVectors, Vectors
from safegen.training.releases.latents import MIN_VARIANCE, fit_mixture, gaussians

CLASSES, LATENT, COUNT, RADIUS = 40, 12, 500, 3.0


def plan(latents, components=None, rounds=2):
    releases = [DpRelease(purpose="latents", noise_multiplier=latents)]
    if components is not None:
        releases.append(DpRelease(purpose="components", noise_multiplier=components, count=rounds))
    return PrivacyPlan(
        epsilon=8.0, delta=1e-6, units=20_000, expected_batch_size=100, steps=5,
        clipping_norm=1.0, noise_multiplier=1.0, releases=tuple(releases),
    )  # fmt: skip


def fit(codes, labels, made_plan, *, classes=CLASSES, components=1, groups=None, key=None):
    return fit_mixture(
        PrivateVectors(Vectors(values=codes, labels=labels, groups=groups)),
        Releases(made_plan, key),
        classes=classes,
        components=components,
        radius=RADIUS,
    )


def check_proper(mixture, classes, components, latent):
    """Finite, shares that sum to 1, means within reach, variances that vectors there can have."""
    assert mixture.shares.shape == (classes, components)
    assert mixture.means.shape == (classes, components, latent)
    assert mixture.factors.shape == (classes, components, latent, latent)
    for part in (mixture.shares, mixture.means, mixture.factors):
        assert np.isfinite(part).all()
    assert (mixture.shares >= 0).all()
    assert mixture.shares.sum(axis=1) == pytest.approx(np.ones(classes))
    assert (np.linalg.norm(mixture.means, axis=2) <= RADIUS * (1 + 1e-9)).all()
    variances = np.square(np.linalg.svd(mixture.factors, compute_uv=False))
    assert (variances >= MIN_VARIANCE * (1 - 1e-6)).all()
    assert (variances <= RADIUS**2 * (1 + 1e-6)).all()


@pytest.fixture
def labels():
    return np.repeat(np.arange(CLASSES), COUNT)


@pytest.mark.parametrize("components", [1, 2])
def test_how_often_each_class_occurs_is_kept_as_released(components):
    labels = np.repeat(np.arange(3), [6000, 3000, 1000])
    codes = np.random.default_rng(0).normal(size=(len(labels), LATENT))
    made = fit(codes, labels, plan(4.0, 4.0), classes=3, components=components)
    assert made.weights == pytest.approx([0.6, 0.3, 0.1], abs=0.01)
    assert made.weights.sum() == pytest.approx(1)


def test_the_noise_is_that_of_the_plan(labels):
    """Records at the origin: whatever the means are, is noise of the stated deviation."""
    means = fit(np.zeros((CLASSES * COUNT, LATENT)), labels, plan(4.0)).means
    noise = (
        4.0 * releasing.MOMENTS / releasing.COUNT_WEIGHT
    )  # on a mean's sum, in units of the radius
    assert means.std() == pytest.approx(noise * RADIUS / COUNT, rel=0.2)


def test_two_releases_never_share_their_noise(labels):
    codes = np.zeros((CLASSES * COUNT, LATENT))
    assert not np.allclose(fit(codes, labels, plan(4.0)).means, fit(codes, labels, plan(4.0)).means)


def test_codes_inside_the_radius_stay_where_they_are(labels):
    centre = np.full(LATENT, 1.5 / np.sqrt(LATENT))
    means = fit(np.tile(centre, (CLASSES * COUNT, 1)), labels, plan(0.1)).means[:, 0]
    assert means == pytest.approx(np.tile(centre, (CLASSES, 1)), abs=0.02)


def test_codes_are_clipped_to_the_radius(labels):
    means = fit(np.full((CLASSES * COUNT, LATENT), 1000.0), labels, plan(0.1)).means
    assert np.linalg.norm(means, axis=2) == pytest.approx(RADIUS, rel=0.02)


def test_nothing_is_released_where_the_plan_has_nothing(monkeypatch):
    monkeypatch.setattr(Mechanism, "release", lambda *_: 1 / 0)
    bare = PrivacyPlan(
        epsilon=8.0, delta=1e-6, units=100, expected_batch_size=10, steps=5,
        clipping_norm=1.0, noise_multiplier=1.0,
    )  # fmt: skip
    assert fit(np.zeros((3, 2)), np.zeros(3, dtype=int), bare, classes=1) is None


@pytest.mark.parametrize("rounds", [1, 3])
def test_as_many_releases_are_made_as_the_plan_counts(labels, monkeypatch, rounds):
    made = []
    whole = Mechanism.release

    def release(self, statistic, sensitivity):
        made.append((self.noise_multiplier, sensitivity, self.name))
        return whole(self, statistic, sensitivity)

    monkeypatch.setattr(Mechanism, "release", release)
    codes = np.random.default_rng(0).normal(size=(CLASSES * COUNT, 2))
    fit(codes, labels, plan(2.0, 3.0, rounds), components=2)
    assert [each[:2] for each in made] == [
        (2.0, releasing.MOMENTS), *[(3.0, releasing.COUNT_AND_SUM)] * rounds
    ]  # fmt: skip
    assert len({name for _, _, name in made}) == 1 + rounds  # so that each has its own noise


@pytest.mark.parametrize("groups", [None, np.arange(6000) // 2])
def test_it_finds_clusters_through_a_little_noise(groups):
    generator = np.random.default_rng(1)
    centres = np.array([[[1.5, 0.0], [-1.5, 0.0]], [[0.0, 1.5], [0.0, -1.5]]])
    labels, place = (
        np.arange(6000) // 2 % 2,
        np.arange(6000) // 4 % 4 == 0,
    )  # a quarter and the rest
    codes = centres[labels, place.astype(int)] + 0.2 * generator.standard_normal((6000, 2))
    made = fit(codes, labels, plan(2.0, 2.0, 3), classes=2, components=2, groups=groups, key=5)
    check_proper(made, 2, 2, 2)
    for label in range(2):
        order = made.shares[label].argsort()
        assert made.shares[label][order] == pytest.approx([0.25, 0.75], abs=0.05)
        assert made.means[label][order] == pytest.approx(centres[label][[1, 0]], abs=0.1)
        covariances = made.factors[label] @ made.factors[label].transpose(0, 2, 1)
        assert covariances == pytest.approx(np.tile(0.04 * np.eye(2), (2, 1, 1)), abs=0.05)
    again = fit(codes, labels, plan(2.0, 2.0, 3), classes=2, components=2, groups=groups, key=5)
    assert np.array_equal(again.means, made.means)
    assert np.array_equal(again.shares, made.shares)


@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    components=st.integers(1, 4),
    noise=st.floats(0.1, 1e5),
    scale=st.sampled_from([0.0, 1.0, 1e6]),
)
def test_whatever_the_records_it_is_proper(counts, components, noise, scale):
    """Classes that are empty or of three records; and noise beside which nothing can be told."""
    labels = np.repeat(np.arange(len(counts)), counts)
    codes = scale * np.random.default_rng(0).normal(size=(len(labels), 3))
    made = fit(codes, labels, plan(noise, noise), classes=len(counts), components=components)
    check_proper(made, len(counts), components, 3)


def test_a_class_that_noise_hides_lies_where_all_records_do():
    """Better than wherever the noise puts it."""
    generator = np.random.default_rng(2)
    labels = np.array([0] * 4000 + [1] * 3)
    codes = np.array([1.0, 0.5, 0, 0]) + 0.3 * generator.standard_normal((4003, 4))
    made = fit(codes, labels, plan(4.0), classes=3)
    for label in (1, 2):  # of three records, and of none
        assert made.means[label, 0] == pytest.approx(made.means[0, 0], abs=0.1)
        assert made.factors[label] == pytest.approx(made.factors[0], abs=0.1)


def test_more_components_than_are_released_are_all_alike():
    codes = np.random.default_rng(0).normal(size=(500, 2))
    made = fit(codes, np.zeros(500, dtype=int), plan(2.0), classes=1, components=3)
    check_proper(made, 1, 3, 2)
    assert np.array_equal(made.means[0, 0], made.means[0, 2])


def test_a_class_keeps_of_its_own_shape_what_noise_leaves():
    """Codes are likelier, in nats, than in one shape for all classes, known without noise."""
    generator = np.random.default_rng(4)
    labels = np.repeat(np.arange(5), 3000)
    own = 0.1 * np.exp(0.7 * generator.standard_normal((5, 24)))
    codes = own[labels] * generator.standard_normal((15_000, 24))
    made = fit(codes, labels, plan(1.5), classes=5)
    gains = []
    for label in range(5):
        factor = made.factors[label, 0]
        ours, one_for_all = (
            stats.multivariate_normal(made.means[label, 0], each).logpdf(codes[labels == label])
            for each in (factor @ factor.T, np.diag(np.square(own).mean(axis=0)))
        )
        gains.append((ours - one_for_all).mean())
    assert np.mean(gains) > 0.7  # 0.2 where each class is shrunk by one number


def moments(vectors, labels, **changes):
    fields = {"name": "a test", "radius": 2.0, "noise_multiplier": 1.0, "key": 3}
    return class_moments(vectors, labels, 3, Mechanism(**(fields | changes)))


def test_gaussians_find_where_classes_lie():
    generator = np.random.default_rng(1)
    centres = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, -1.0, 0]])
    labels = np.repeat(np.arange(3), 4000)
    vectors = centres[labels] + 0.2 * generator.standard_normal((12_000, 4))
    found = gaussians(moments(vectors, labels, noise_multiplier=2.0), least_variance=1e-4)
    assert found.means[:, 0] * 2.0 == pytest.approx(centres, abs=0.05)
    variances = np.einsum("kij,kij->ki", found.factors[:, 0], found.factors[:, 0]) * 4
    assert variances == pytest.approx(np.full((3, 4), 0.04), abs=0.02)


def test_gaussians_of_noise_alone_are_still_proper():
    made = moments(np.zeros((0, 4)), np.zeros(0, dtype=int), noise_multiplier=50.0)
    found = gaussians(made, least_variance=0.01)
    assert np.isfinite(found.means).all()
    assert np.isfinite(found.factors).all()
    assert (np.linalg.norm(found.means, axis=2) <= 1 + 1e-9).all()
