"""How rough the records are beyond what the decoder makes of them: a spectrum, released once.

A record x that decodes to y misses u = (x - y) / s(y) (`models.residual_noise`). Its power is
gathered into bands of similar frequencies; the bands' energies, summed over all records, are one
release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.models.residual_noise import roughness

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.privacy.mechanism.releases import Releases
    from safegen.privacy.mechanism.sealed import PrivateVectors

BANDS_PER_SIDE = 8  # of height's frequencies, and of width's
ENERGY_RADIUS = 0.25  # on a record's energies in L2; a picture of plain noise has less


def band_energies(pictures: Tensor, decoded: Tensor) -> Tensor:
    """The energy in each band of what was missed.

    Args:
        pictures: (n, channels, height, width), float32 in [0, 1].
        decoded: likewise.

    Returns:
        (n, channels x BANDS_PER_SIDE x BANDS_PER_SIDE), float32; by Parseval
        they sum to the mean square of u.
    """
    missed = (pictures - decoded) / roughness(decoded)
    height, width = missed.shape[2:]
    power = torch.fft.fft2(missed).abs().square() / (height * width) ** 2
    rows, columns = (_membership(size).to(power) for size in (height, width))
    return torch.einsum("nchw,hr,wb->ncrb", power, rows, columns).flatten(1)


def fit_spectrum(
    energies: PrivateVectors, shape: tuple[int, ...], releases: Releases
) -> NDArray[np.float64]:
    """Release the mean energies, and make amplitudes of them.

    Args:
        energies: (records, channels x BANDS_PER_SIDE x BANDS_PER_SIDE).
        shape: channels, height, width.
        releases: makes `grain`.

    Returns:
        (channels, height, width): amplitudes as `models.residual_noise.ResidualNoise.spectrum`
        holds them.
    """
    units = releases.units
    summed, deviation = releases.total("grain", energies, radius=ENERGY_RADIUS)
    mean = summed * ENERGY_RADIUS / units
    # What cannot be told from noise is left out.
    mean[mean < deviation * ENERGY_RADIUS / units] = 0.0
    channels, height, width = shape
    rows, columns = _membership(height).numpy(), _membership(width).numpy()
    sizes = np.outer(rows.sum(axis=0), columns.sum(axis=0))
    each = (
        mean.reshape(channels, BANDS_PER_SIDE, BANDS_PER_SIDE)
        / np.maximum(sizes, 1)
        * height
        * width
    )
    spectrum: NDArray[np.float64] = np.einsum("crb,hr,wb->chw", np.sqrt(each), rows, columns)
    return spectrum


def _membership(size: int) -> Tensor:
    """Which band each frequency of a side belongs to, (size, BANDS_PER_SIDE), float32."""
    frequency = torch.fft.fftfreq(size).abs() * 2  # from 0 to 1
    band = (frequency * BANDS_PER_SIDE).long().clamp_max(BANDS_PER_SIDE - 1)
    return torch.nn.functional.one_hot(band, BANDS_PER_SIDE).float()
