"""How much a marked picture differs from its original; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEADY = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)  # C1 and C2 of the paper
WINDOW = 1.5  # pixels, standard deviation of its weights


def psnr(original: NDArray[np.uint8], changed: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio, in dB; infinite of equal pictures.

    >>> round(psnr(np.zeros((8, 8), np.uint8), np.full((8, 8), 4, np.uint8)), 2)
    36.09
    """
    error = float(((original.astype(np.float64) - changed) ** 2).mean())
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(original: NDArray[np.float32], changed: NDArray[np.float32]) -> float:
    """Structural similarity (Wang et al., IEEE Transactions on Image Processing 13(4), 2004).

    Args:
        original: (height, width), brightness in [0, 255].
        changed: likewise.

    >>> ssim(np.eye(16, dtype=np.float32), np.eye(16, dtype=np.float32))
    1.0
    """
    x, y = original.astype(np.float64), changed.astype(np.float64)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth: NDArray[np.float64] = gaussian_filter(values, WINDOW, truncate=3.5)
        return smooth

    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = STEADY
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())
