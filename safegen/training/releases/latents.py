"""A private latent prior: where each class lies among the latent codes.

A VAE trained with much noise does not spread its codes as N(0, I). Drawing them from where the
records' codes really lie is the largest single gain in utility. It takes one release of every
class's moments, which makes a Gaussian of each class; a few more releases split each class into
components:

    1. Draw codes from the class's Gaussian, and find as many centres among them (k-means); this
       looks at no record.
    2. Give each record to its nearest centre, and release how many each has and the sum of their
       codes; the new centres are the means. A few such rounds are noisy hard EM (Park et al. 2017).
    3. What a class's covariance has beyond its centres' is the covariance of each component.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.privacy.mechanism.releases import within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.privacy.mechanism.releases import ClassMoments, ClassSums, Releases
    from safegen.privacy.mechanism.sealed import PrivateVectors, Values

    Vectors = NDArray[np.float64]
    Labels = NDArray[np.int64]

MIN_VARIANCE = 0.01  # of a latent in any direction, so that a class never collapses
CANDIDATE_CODES = 4000  # codes of a class, among which first centres are sought
K_MEANS_ROUNDS = 10
# Where noise leaves it open, in any direction, at least this is
MIN_CLASS_VARIANCE_SHARE = 0.2  # a class's variance, of all classes'
MIN_COMPONENT_VARIANCE_SHARE = 0.2  # a component's variance, of its class's
# Noise deviations, below which a class's or component's count is taken for none.
MIN_COUNT_DEVIATIONS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Gaussians of each class.

    Attributes:
        weights: (classes,), float64: how often each class occurs; sums to 1.
        shares: (classes, components), float64; each row sums to 1.
        means: (classes, components, latent), float64.
        factors: (classes, components, latent, latent): factor factor^T is the covariance.
    """

    weights: Vectors
    shares: Vectors
    means: Vectors
    factors: Vectors


def fit_mixture(
    codes: PrivateVectors, releases: Releases, *, classes: int, components: int, radius: float
) -> Mixture | None:
    """Release what a mixture a class takes, and fit it.

    Args:
        codes: (records, latent), float64, around 0; clipped to `radius`.
        releases: makes `latents`, and `components` when there is more than one.
        classes: how many.
        components: Gaussians a class.
        radius: public bound on a code's norm.

    Returns:
        The mixture; None when no latents are planned.
    """
    if not releases.planned("latents"):
        return None
    moments = releases.class_moments("latents", codes, classes=classes, radius=radius)
    least = MIN_VARIANCE / radius**2
    whole = gaussians(moments, least)
    rounds = releases.planned("components")
    if components == 1 or not rounds:
        return _scaled(_alike(whole, components), radius)
    centres, sums = _first_centres(whole, components), None
    for _ in range(rounds):
        near = _among_centres(codes, centres, radius)
        sums = releases.class_sums("components", near, classes=classes * components, radius=radius)
        centres, shares = _means(sums, whole.means)
    assert sums is not None
    return _scaled(_split(whole, centres, shares, sums), radius)


def _among_centres(codes: PrivateVectors, centres: Vectors, radius: float) -> PrivateVectors:
    """Codes under the number of the centre of their class that is nearest to each."""

    def numbered(values: Values, labels: Labels) -> Labels:
        units = within(values.astype(np.float64, copy=False), radius)
        numbers: Labels = labels * centres.shape[1] + _nearest(units, labels, centres)
        return numbers

    return codes.relabelled(numbered)


def gaussians(moments: ClassMoments, least_variance: float = 0.0) -> Mixture:
    """Turn noisy moments into one proper Gaussian a class; post-processing, so it costs nothing.

    A class of too few records to be told from noise is taken to lie where all records together
    do; covariances are shrunk towards the pooled one (`_shrunk`).

    Args:
        moments: in units where codes have norm at most 1.
        least_variance: in the same units.
    """
    counts = np.maximum(moments.counts, 1.0)
    told = moments.counts > MIN_COUNT_DEVIATIONS * moments.count_deviation
    means = np.where(
        told[:, None], moments.sums / counts[:, None], moments.sums.sum(axis=0) / counts.sum()
    )
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1.0)
    covariances = moments.products / counts[:, None, None] - np.einsum("ki,kj->kij", means, means)
    weights = np.where(told, counts, 0.0) if told.any() else counts
    pooled = np.average(covariances, axis=0, weights=weights)
    noise = np.square(moments.deviation / counts)
    parts = weights / weights.sum()
    noise_pooled = float(np.square(parts) @ noise)
    pooled = _proper(pooled, max(least_variance, math.sqrt(noise_pooled)))
    # A class's own noise is in the pooled covariance, too, and cancels in part.
    apart = np.maximum(noise * (1 - 2 * parts), 0) + noise_pooled
    shrunk = _shrunk(covariances, pooled, apart, told)
    return Mixture(
        weights=counts / counts.sum(),
        shares=np.ones((len(counts), 1)),
        means=means[:, None],
        factors=_factors(shrunk, least_variance)[:, None],
    )


def _shrunk(
    covariances: Vectors, pooled: Vectors, variances: Vectors, told: NDArray[np.bool_]
) -> Vectors:
    """Each class's covariance, shrunk towards the pooled one by the share that noise explains.

    Seen along the pooled covariance's axes and in its scale, a class differs from the identity by
    a matrix of equally likely entries, and noise is largest where records vary least. Each entry
    keeps its Wiener factor c^2 / (c^2 + noise); c^2 is the class's mean square without noise,
    weighted by how clearly an entry is seen. The more is noise, the less far eigenvalues may go.

    Args:
        covariances: (classes, d, d).
        pooled: (d, d), positive.
        variances: (classes,), of the noise on a diagonal entry's difference from the pooled one;
            off the diagonal there is half of it.
        told: (classes,), which can be told from noise at all.
    """
    values, axes = np.linalg.eigh(pooled)
    scale = np.sqrt(values)
    seen = (axes / scale).T @ covariances @ (axes / scale)
    same = np.eye(len(scale))
    clear = np.outer(scale, scale) ** 2
    noise = variances[:, None, None] * (1 + same) / 2 / clear
    squares = np.einsum("ij,kij->k", clear, np.square(seen - same) - noise)
    signal = np.maximum(squares, 0) / (clear * (1 + same)).sum()
    signal = (told * signal)[:, None, None] * (1 + same)
    kept = signal / np.maximum(signal + noise, 1e-300)
    values, vectors = np.linalg.eigh(same + (seen - same) * kept)
    unsure = 2 * np.sqrt((kept * noise).sum(axis=(1, 2)) / len(scale))  # edge of the semicircle
    lowest = np.clip(unsure, 1e-6, MIN_CLASS_VARIANCE_SHARE)[:, None]
    inner = vectors * np.sqrt(np.clip(values, lowest, 1 / lowest))[:, None, :]
    outer: Vectors = (axes * scale) @ inner
    return outer @ outer.transpose(0, 2, 1)


def _first_centres(whole: Mixture, components: int) -> Vectors:
    """K-means centres (classes, components, latent) of codes drawn from each class's Gaussian."""
    drawing = np.random.default_rng(0)  # public: no record is looked at
    found = []
    for mean, factor in zip(whole.means[:, 0], whole.factors[:, 0], strict=True):
        drawn = mean + drawing.standard_normal((CANDIDATE_CODES, len(mean))) @ factor.T
        centres = drawn[:components]
        for _ in range(K_MEANS_ROUNDS):
            nearest = _squared_distances(drawn, centres).argmin(axis=1)
            centres = np.stack(
                [
                    drawn[nearest == k].mean(axis=0) if (nearest == k).any() else centres[k]
                    for k in range(components)
                ]
            )
        found.append(centres)
    return np.stack(found)


def _nearest(units: Vectors, labels: Labels, centres: Vectors) -> Labels:
    """The number of the nearest centre of its class, for each record."""
    nearest = np.zeros(len(units), dtype=np.int64)
    for label, mine in enumerate(centres):
        rows = labels == label
        nearest[rows] = _squared_distances(units[rows], mine).argmin(axis=1)
    return nearest


def _squared_distances(points: Vectors, centres: Vectors) -> Vectors:
    """(points, centres), up to a constant for each point."""
    distances: Vectors = np.square(centres).sum(axis=1) - 2 * points @ centres.T
    return distances


def _means(sums: ClassSums, class_means: Vectors) -> tuple[Vectors, Vectors]:
    """New centres and shares; what has too few records to be told from noise gets no share."""
    classes, _, latent = class_means.shape
    counts = sums.counts.reshape(classes, -1)
    totals = sums.sums.reshape(classes, -1, latent)
    enough = counts > MIN_COUNT_DEVIATIONS * sums.count_deviation
    centres = np.where(
        enough[..., None], totals / np.where(enough, counts, 1.0)[..., None], class_means
    )
    centres /= np.maximum(np.linalg.norm(centres, axis=2, keepdims=True), 1.0)
    held = np.where(enough, counts, 0.0)
    held[~enough.any(axis=1)] = 1.0  # a class of too few records is one Gaussian
    return centres, held / held.sum(axis=1, keepdims=True)


def _split(whole: Mixture, centres: Vectors, shares: Vectors, sums: ClassSums) -> Mixture:
    """Components around centres, with what each class's covariance has beyond them.

    Noise moves the centres apart. Seen in the class's own scale, along each axis in which centres
    lie apart, they are drawn together by the share of their variance that noise explains (Wiener),
    and further where they would leave nothing of the class's variance, as far as is sure.
    """
    factors = whole.factors[:, 0]
    inverses = np.linalg.inv(factors)
    middles = np.einsum("ck,ckd->cd", shares, centres)[:, None]
    apart = np.einsum("cij,ckj->cki", inverses, centres - middles)
    between, axes = np.linalg.eigh((shares[:, :, None] * apart).transpose(0, 2, 1) @ apart)
    counts = np.maximum(
        sums.counts.reshape(shares.shape), MIN_COUNT_DEVIATIONS * sums.count_deviation
    )
    variance = (shares * (sums.deviation / counts) ** 2).sum(axis=1)
    noise = variance[:, None] * np.square(np.einsum("cij,cik->cjk", inverses, axes)).sum(axis=1)
    # Few centres in many dimensions: their axes go where the noise is, and gather all of it.
    noise *= max(1.0, noise.shape[1] / (shares.shape[1] - 1))
    kept = np.maximum(between - noise, 0) / np.maximum(between, 1e-300)
    left = np.minimum(np.sqrt(noise), MIN_COMPONENT_VARIANCE_SHARE)
    kept = np.minimum(kept, np.sqrt((1 - left) / np.maximum(between, 1e-300)))
    drawn = apart @ (axes * kept[:, None, :] @ axes.transpose(0, 2, 1)).transpose(0, 2, 1)
    inner = axes * np.sqrt(np.maximum(1 - between * kept**2, 0))[:, None, :]
    return Mixture(
        weights=whole.weights,
        shares=shares,
        means=middles + np.einsum("cij,ckj->cki", factors, drawn),
        factors=np.repeat((factors @ inner)[:, None], shares.shape[1], axis=1),
    )


def _alike(whole: Mixture, components: int) -> Mixture:
    """One Gaussian a class, as components that are all alike."""
    return Mixture(
        weights=whole.weights,
        shares=np.repeat(whole.shares, components, axis=1) / components,
        means=np.repeat(whole.means, components, axis=1),
        factors=np.repeat(whole.factors, components, axis=1),
    )


def _scaled(mixture: Mixture, radius: float) -> Mixture:
    return Mixture(
        weights=mixture.weights,
        shares=mixture.shares,
        means=mixture.means * radius,
        factors=mixture.factors * radius,
    )


def _factors(covariances: Vectors, least: float) -> Vectors:
    """Square roots of symmetric matrices (..., d, d), their eigenvalues made possible."""
    values, vectors = np.linalg.eigh(covariances)
    factors: Vectors = vectors * np.sqrt(_possible(values, least))[..., None, :]
    return factors


def _proper(covariance: Vectors, least: float) -> Vectors:
    """The symmetric matrix with eigenvalues that are possible."""
    factor = _factors(covariance, least)
    proper: Vectors = factor @ factor.T
    return proper


def _possible(variances: Vectors, least: float) -> Vectors:
    """Variances at least `least`, and at most what vectors of norm 1 can have."""
    return np.clip(variances, least, max(least, 1.0))
