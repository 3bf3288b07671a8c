import pytest
import torch

from safegen.models.residual_noise import (
    LOG_STRENGTH_DEVIATION,
    MIN_VARIANCE,
    ResidualNoise,
    roughness,
)

SHAPE = (3, 28, 36)


def grain(spectrum):
    made = ResidualNoise(SHAPE)
    made.spectrum.copy_(spectrum)
    return made


def low_frequencies():
    """Only the lowest frequencies, in equal parts, with mean square 0.09 altogether."""
    spectrum = torch.zeros(SHAPE)
    near = torch.fft.fftfreq(28).abs()[:, None] + torch.fft.fftfreq(36).abs()[None] < 0.15
    spectrum[:, near] = 1.0
    return spectrum * (0.09 / spectrum.square().mean()).sqrt()


def test_patterns_have_the_strength_and_the_frequencies_of_the_spectrum():
    patterns = grain(low_frequencies()).draw(4000, torch.Generator().manual_seed(0))
    assert patterns.shape == (4000, *SHAPE)
    assert float(patterns.square().mean()) == pytest.approx(0.09, rel=0.05)
    assert float(patterns.mean()) == pytest.approx(0, abs=0.01)
    power = torch.fft.fft2(patterns).abs().square().mean(dim=0)
    away = low_frequencies() == 0
    assert float(power[away].sum() / power.sum()) < 1e-6


def test_some_pictures_are_rougher_than_others():
    patterns = grain(torch.ones(SHAPE)).draw(2000, torch.Generator().manual_seed(0))
    strengths = patterns.square().mean(dim=(1, 2, 3)).sqrt().log()
    assert float(strengths.std()) == pytest.approx(LOG_STRENGTH_DEVIATION, rel=0.1)


def test_a_spectrum_of_nothing_changes_nothing():
    made = ResidualNoise(SHAPE)
    pictures = torch.rand(5, *SHAPE)
    patterns = made.draw(5, torch.Generator().manual_seed(0))
    assert not patterns.any()
    assert torch.equal(made(pictures, patterns), pictures)


def test_grain_leaves_black_and_white_nearly_alone_and_the_range_whole():
    made = grain(torch.ones(SHAPE))
    patterns = made.draw(50, torch.Generator().manual_seed(0))
    black, grey = torch.zeros(50, *SHAPE), torch.full((50, *SHAPE), 0.5)
    assert float(made(black, patterns).std()) < 0.1 * float(made(grey, patterns).std())
    for pictures in (black, grey, 1 - black):
        assert float(made(pictures, patterns).min()) >= 0
        assert float(made(pictures, patterns).max()) <= 1


def test_roughness_has_a_slope_everywhere():
    pictures = torch.tensor([0.0, 1e-6, 0.5, 1.0], requires_grad=True)
    roughness(pictures).sum().backward()
    assert pictures.grad.isfinite().all()
    assert float(roughness(torch.zeros(1))) == pytest.approx(MIN_VARIANCE**0.5)
