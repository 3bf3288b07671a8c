"""Grain is measured as it is: by Parseval, through a release, and back into pictures."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from safegen.models.residual_noise import ResidualNoise, roughness
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.mechanism.lattice import Lattice
from safegen.privacy.mechanism.release import Mechanism
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateVectors, Vectors
from safegen.training.releases.residual_spectrum import BANDS_PER_SIDE, ENERGY_RADIUS, band_energies
from safegen.training.releases.residual_spectrum import fit_spectrum as spectrum_of

SHAPE = (1, 28, 28)


def fit_spectrum(energies, *, noise_multiplier, groups=None, key=None):
    units = len(energies) if groups is None else int(groups.max()) + 1
    made = PrivacyPlan(
        epsilon=8.0, delta=1e-6, units=max(units, 2), expected_batch_size=1, steps=1,
        clipping_norm=1.0, noise_multiplier=1.0,
        releases=(DpRelease(purpose="grain", noise_multiplier=noise_multiplier),),
    )  # fmt: skip
    labels = np.zeros(len(energies), dtype=np.int64)
    held = PrivateVectors(Vectors(values=energies, labels=labels, groups=groups))
    return spectrum_of(held, SHAPE, Releases(made, key))


@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(2, 40),
    width=st.integers(2, 40),
    seed=st.integers(0, 9),
)
def test_the_energies_sum_to_the_mean_square_of_what_is_missed(channels, height, width, seed):
    """Parseval's theorem; so that every frequency is in one band, and in one only."""
    source = torch.Generator().manual_seed(seed)
    pictures, decoded = torch.rand(2, 3, channels, height, width, generator=source)
    energies = band_energies(pictures, decoded)
    assert energies.shape == (3, channels * BANDS_PER_SIDE * BANDS_PER_SIDE)
    missed = (pictures - decoded) / roughness(decoded)
    mean_square = missed.square().sum(dim=1).mean(dim=(1, 2))  # summed over channels
    assert energies.sum(dim=1) == pytest.approx(mean_square, rel=1e-4)


def known_spectrum():
    """Three strengths, each in one band of each direction."""
    spectrum = torch.zeros(SHAPE)
    band = (torch.fft.fftfreq(28).abs() * 2 * BANDS_PER_SIDE).long().clamp_max(BANDS_PER_SIDE - 1)
    for row, column, amplitude in ((0, 0, 0.6), (1, 2, 0.3), (7, 7, 0.1)):
        spectrum[0] += amplitude * ((band == row)[:, None] & (band == column)[None])
    return spectrum


def misses(count, spectrum):
    """Pictures with known grain, beside what they are without it."""
    grain = ResidualNoise(SHAPE)
    grain.spectrum.copy_(spectrum)
    plain = torch.full((count, *SHAPE), 0.5)
    return plain + roughness(plain) * grain.draw(count, torch.Generator().manual_seed(1)), plain


def test_a_known_spectrum_is_found_again():
    spectrum = known_spectrum()
    energies = band_energies(*misses(20_000, spectrum)).double().numpy()
    assert np.quantile(np.linalg.norm(energies, axis=1), 0.9) < ENERGY_RADIUS
    found = fit_spectrum(energies, noise_multiplier=1.0)
    assert found.shape == SHAPE
    strong = spectrum.numpy() > 0.2
    assert found[strong] == pytest.approx(spectrum.numpy()[strong], rel=0.1)
    assert found[spectrum.numpy() == 0].max() < 0.08  # six deviations of the noise on a band


def test_a_grain_with_a_found_spectrum_makes_pictures_of_that_roughness():
    energies = band_energies(*misses(20_000, known_spectrum())).double().numpy()
    found = torch.from_numpy(fit_spectrum(energies, noise_multiplier=1.0)).float()
    again = band_energies(*misses(5000, found)).double().numpy()
    assert again.mean(axis=0) == pytest.approx(energies.mean(axis=0), abs=0.002)


def test_what_noise_hides_is_left_out(monkeypatch):
    with monkeypatch.context() as quiet:
        quiet.setattr(Lattice, "noise", lambda _, count, __: np.zeros(count, dtype=np.int64))
        found = fit_spectrum(np.zeros((10, BANDS_PER_SIDE * BANDS_PER_SIDE)), noise_multiplier=0.05)
    assert not found.any()
    hidden = fit_spectrum(
        np.full((10, BANDS_PER_SIDE * BANDS_PER_SIDE), 1e-6), noise_multiplier=1e4, key=3
    )
    assert np.isfinite(hidden).all()
    assert (hidden >= 0).all()


def test_one_picture_counts_no_more_than_the_bound(monkeypatch):
    seen = []
    whole = Mechanism.release

    def release(self, statistic, sensitivity):
        seen.append(statistic)
        return whole(self, statistic, sensitivity)

    monkeypatch.setattr(Mechanism, "release", release)
    wild = band_energies(torch.ones(1, *SHAPE), torch.zeros(1, *SHAPE)).double().numpy()
    assert wild.sum() > 100
    fit_spectrum(wild, noise_multiplier=1.0)
    assert np.linalg.norm(seen[0]) == pytest.approx(1.0)


def test_groups_count_as_one(monkeypatch):
    monkeypatch.setattr("safegen.privacy.accounting.plan.NOISE_RANGE", (1e-4, 1e6))
    energies = band_energies(*misses(3000, known_spectrum())).double().numpy()
    groups = np.arange(3000) // 3
    found = fit_spectrum(energies, noise_multiplier=1e-3, groups=groups)
    alone = fit_spectrum(energies, noise_multiplier=1e-3)
    assert found == pytest.approx(alone, abs=0.02)
    repeated = fit_spectrum(energies, noise_multiplier=5.0, groups=groups, key=9)
    assert np.array_equal(
        repeated, fit_spectrum(energies, noise_multiplier=5.0, groups=groups, key=9)
    )
