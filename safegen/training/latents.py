"""A private latent prior: where each class lies among the latent codes, released once.

A VAE trained with much noise does not spread its codes as N(0, I). Drawing them from where the
records' codes really lie is the largest single gain in utility, and takes one Gaussian release.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import numpy as np

from safegen.privacy.noise import secure_generator
from safegen.privacy.release import ClassMoments, class_moments
from safegen.records.certificate import Gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float64]

LEAST_VARIANCE = 0.01  # of a latent in any direction, so that a class never collapses


def fit_prior(
    codes: Vectors,
    labels: NDArray[np.int64],
    *,
    groups: NDArray[np.int64] | None = None,
    classes: int,
    radius: float,
    noise_multiplier: float,
    key: int | None = None,
) -> tuple[Vectors, Vectors, Gaussian]:
    """Release the codes' class moments and fit one Gaussian a class to them.

    Args:
        codes: (records, latent), float64; clipped to `radius`.
        labels: (records,), int64.
        groups: (records,), int64, the unit of each record; None when records are units.
        classes: how many.
        radius: public bound on a code's norm.
        noise_multiplier: noise deviation over the release's L2 sensitivity.
        key: of the noise; fresh from the operating system when None.

    Returns:
        Means (classes, latent), factors (classes, latent, latent) with factor factor^T the
        covariance, and the event that this was.
    """
    moments = class_moments(
        codes,
        labels,
        groups=groups,
        classes=classes,
        radius=radius,
        noise_multiplier=noise_multiplier,
        generator=secure_generator(None if key is None else _own_key(key, codes, labels, groups)),
    )
    means, factors = gaussians(moments, LEAST_VARIANCE / radius**2)
    return means * radius, factors * radius, Gaussian(noise_multiplier=noise_multiplier)


def _own_key(
    key: int, codes: Vectors, labels: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> int:
    """A run's release key for exactly these codes.

    After a crash the same codes get the same noise, so that the release is the same. Any others,
    such as those of a second copy of a checkpoint, get noise of their own: two statistics under
    one noise would give their difference away.
    """
    told = hmac.new(key.to_bytes(16, "big"), digestmod="sha256")
    for part in (codes, labels, np.zeros(0) if groups is None else groups):
        told.update(f"{part.dtype} {part.shape} ".encode() + np.ascontiguousarray(part).tobytes())
    return int.from_bytes(told.digest()[:16], "big")


def gaussians(moments: ClassMoments, least_variance: float = 0.0) -> tuple[Vectors, Vectors]:
    """Turn noisy moments into proper Gaussians; post-processing, so it costs nothing.

    Each class's covariance is shrunk towards the pooled one by the share of its deviation from
    it that noise explains, and eigenvalues are kept above `least_variance`.

    Args:
        moments: in units where codes have norm at most 1.
        least_variance: in the same units.
    """
    counts = np.maximum(moments.counts, 1.0)
    latent = moments.sums.shape[1]
    means = moments.sums / counts[:, None]
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1.0)
    covariances = moments.products / counts[:, None, None] - np.einsum("ki,kj->kij", means, means)
    pooled = _positive(np.average(covariances, axis=0, weights=counts), least_variance)

    noise = 0.5 * latent * (latent + 1) * (moments.deviation / counts) ** 2  # in squared Frobenius
    deviation = np.square(covariances - pooled).sum(axis=(1, 2))
    keep = np.maximum(deviation - noise, 0) / np.maximum(deviation, 1e-12)
    mixed = keep[:, None, None] * covariances + (1 - keep)[:, None, None] * pooled
    values, vectors = np.linalg.eigh(mixed)
    return means, vectors * np.sqrt(np.maximum(values, least_variance))[:, None, :]


def _positive(matrix: Vectors, least: float) -> Vectors:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, least)) @ vectors.T)
