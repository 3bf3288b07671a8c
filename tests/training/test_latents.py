"""The latent prior releases what it says it releases, and no more."""

import numpy as np
import pytest

from safegen.records.certificate import Gaussian
from safegen.training.latents import fit_prior

CLASSES, LATENT, COUNT, RADIUS = 40, 12, 500, 3.0


def fit(codes, labels, noise_multiplier):
    return fit_prior(
        codes, labels, classes=CLASSES, radius=RADIUS, noise_multiplier=noise_multiplier
    )


@pytest.fixture
def labels():
    return np.repeat(np.arange(CLASSES), COUNT)


def test_the_noise_is_that_of_the_event(labels):
    """Records at the origin: whatever the means are, is noise of the stated deviation."""
    codes = np.zeros((CLASSES * COUNT, LATENT))
    means, _, event = fit(codes, labels, 4.0)
    assert event == Gaussian(noise_multiplier=4.0)
    expected = 4.0 * np.sqrt(3) * RADIUS / COUNT
    assert means.std() == pytest.approx(expected, rel=0.2)


def test_two_releases_never_share_their_noise(labels):
    codes = np.zeros((CLASSES * COUNT, LATENT))
    assert not np.allclose(fit(codes, labels, 4.0)[0], fit(codes, labels, 4.0)[0])


def test_codes_inside_the_radius_stay_where_they_are(labels):
    centre = np.full(LATENT, 1.5 / np.sqrt(LATENT))
    means, _, _ = fit(np.tile(centre, (CLASSES * COUNT, 1)), labels, 0.1)
    assert means == pytest.approx(np.tile(centre, (CLASSES, 1)), abs=0.02)


def test_codes_are_clipped_to_the_radius(labels):
    codes = np.full((CLASSES * COUNT, LATENT), 1000.0)
    means, _, _ = fit(codes, labels, 0.1)
    assert np.linalg.norm(means, axis=1) == pytest.approx(RADIUS, rel=0.02)
