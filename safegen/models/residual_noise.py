"""Fine texture: what decoders trained with noise leave out, drawn at random from its spectrum.

A decoder's picture x is the mean of many pictures, so it is smooth where each of them is not. What
is missing, r, is largest where x is neither dark nor bright; r / s(x) with s(x) = sqrt(x (1 - x))
looks much the same everywhere. Its power spectrum, released privately once, says how rough it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BATCH_ROWS = 512  # transformed at once, so that memory does not grow with their number
MIN_VARIANCE = 1e-3  # of x (1 - x), so that s has a slope everywhere
# Deviation of the logarithm of a picture's own strength: some are rougher.
LOG_STRENGTH_DEVIATION = 0.4
ALL_ROWS = slice(None)


class ResidualNoise(nn.Module):
    """Noise with a given spectrum and strength.

    Attributes:
        spectrum: (channels, height, width), float32: amplitude at each frequency of the discrete
            Fourier transform; the mean of its squares is the mean square of r / s(x).
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.spectrum: Tensor
        self.register_buffer("spectrum", torch.zeros(shape))

    def draw(self, count: int, source: torch.Generator, rows: Tensor | slice = ALL_ROWS) -> Tensor:
        """Patterns (rows, channels, height, width), float32, on the CPU, in units of s(x).

        Args:
            count: how many are drawn.
            source: of randomness, on the CPU.
            rows: which of them are made: (m,), int64, or a slice.
        """
        spectrum = self.spectrum.cpu()
        patterns = torch.randn(count, *spectrum.shape, generator=source)
        strength = LOG_STRENGTH_DEVIATION * torch.randn(count, 1, 1, 1, generator=source)
        patterns, strength = patterns[rows], strength[rows]
        for start in range(0, len(patterns), BATCH_ROWS):
            part = patterns[start : start + BATCH_ROWS]
            part.copy_(torch.fft.ifft2(torch.fft.fft2(part) * spectrum).real)
        # E exp(2 strength) = exp(2 LOG_STRENGTH_DEVIATION^2), which is taken out again.
        return patterns.mul_(torch.exp(strength - LOG_STRENGTH_DEVIATION**2))

    def forward(self, pictures: Tensor, patterns: Tensor) -> Tensor:
        """Add patterns to pictures in [0, 1]."""
        return (pictures + roughness(pictures) * patterns).clamp(0, 1)


def roughness(pictures: Tensor) -> Tensor:
    """s(x) = sqrt(x (1 - x)) of pictures in [0, 1]: where they can miss most."""
    return (pictures * (1 - pictures)).clamp_min(MIN_VARIANCE).sqrt()
