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

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.privacy.release import ClassMoments, ClassSums, Mechanism, class_moments, class_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.privacy.plan import PrivacyPlan

    Vectors = NDArray[np.float64]
    Labels = NDArray[np.int64]

LEAST_VARIANCE = 0.01  # of a latent in any direction, so that a class never collapses
DRAWN = 4000  # codes of a class, among which first centres are sought
K_MEANS_ROUNDS = 10
FEWEST = 5.0  # noise deviations, below which a class's or component's count is taken for none


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
    codes: Vectors,
    labels: Labels,
    *,
    classes: int,
    components: int,
    radius: float,
    plan: PrivacyPlan,
    groups: Labels | None = None,
    key: int | None = None,
) -> Mixture | None:
    """Release what a mixture a class takes, and fit it.

    Args:
        codes: (records, latent), float64, around 0; clipped to `radius`.
        labels: (records,), int64.
        classes: how many.
        components: Gaussians a class.
        radius: public bound on a code's norm.
        plan: with the releases `latents`, and `components` when there is more than one.
        groups: (records,), int64, the unit of each record; None when records are units.
        key: of the noise; fresh from the operating system when None.

    Returns:
        The mixture; None when the plan releases no latents.
    """
    moments_release, rounds = plan.release("latents"), plan.release("components")
    if moments_release is None:
        return None

    def mechanism(name: str, noise_multiplier: float) -> Mechanism:
        return Mechanism(
            name=name, radius=radius, noise_multiplier=noise_multiplier, key=key, groups=groups
        )

    made = mechanism("latents", moments_release.noise_multiplier)
    moments = class_moments(codes, labels, classes, made)
    least = LEAST_VARIANCE / radius**2
    whole = gaussians(moments, least)
    if components == 1 or rounds is None:
        return _scaled(_alike(whole, components), radius)
    centres = _first_centres(whole, components)
    units, sums = made.within(codes), None
    for number in range(rounds.count):
        nearest = _nearest(units, labels, centres)
        sums = class_sums(
            codes,
            labels * components + nearest,
            classes * components,
            mechanism(f"components {number}", rounds.noise_multiplier),
        )
        centres, shares = _means(sums, whole.means)
    assert sums is not None
    return _scaled(_split(whole, centres, shares, sums, least), radius)


def gaussians(moments: ClassMoments, least_variance: float = 0.0) -> Mixture:
    """Turn noisy moments into one proper Gaussian a class; post-processing, so it costs nothing.

    Each class's covariance is shrunk towards the pooled one by the share of its deviation from
    it that noise explains, and eigenvalues are kept above `least_variance`. A class of too few
    records to be told from noise is taken to lie where all records together do.

    Args:
        moments: in units where codes have norm at most 1.
        least_variance: in the same units.
    """
    counts = np.maximum(moments.counts, 1.0)
    told = moments.counts > FEWEST * moments.deviation
    latent = moments.sums.shape[1]
    means = np.where(
        told[:, None], moments.sums / counts[:, None], moments.sums.sum(axis=0) / counts.sum()
    )
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1.0)
    covariances = moments.products / counts[:, None, None] - np.einsum("ki,kj->kij", means, means)
    weights = np.where(told, counts, 0.0) if told.any() else counts
    pooled = _positive(np.average(covariances, axis=0, weights=weights), least_variance)

    noise = 0.5 * latent * (latent + 1) * (moments.deviation / counts) ** 2  # in squared Frobenius
    deviation = np.square(covariances - pooled).sum(axis=(1, 2))
    keep = told * np.maximum(deviation - noise, 0) / np.maximum(deviation, 1e-12)
    mixed = keep[:, None, None] * covariances + (1 - keep)[:, None, None] * pooled
    return Mixture(
        weights=counts / counts.sum(),
        shares=np.ones((len(counts), 1)),
        means=means[:, None],
        factors=_factors(mixed, least_variance)[:, None],
    )


def _first_centres(whole: Mixture, components: int) -> Vectors:
    """K-means centres (classes, components, latent) of codes drawn from each class's Gaussian."""
    drawing = np.random.default_rng(0)  # public: no record is looked at
    found = []
    for mean, factor in zip(whole.means[:, 0], whole.factors[:, 0], strict=True):
        drawn = mean + drawing.standard_normal((DRAWN, len(mean))) @ factor.T
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
    enough = counts > FEWEST * sums.deviation
    centres = np.where(
        enough[..., None], totals / np.where(enough, counts, 1.0)[..., None], class_means
    )
    centres /= np.maximum(np.linalg.norm(centres, axis=2, keepdims=True), 1.0)
    held = np.where(enough, counts, 0.0)
    held[~enough.any(axis=1)] = 1.0  # a class of too few records is one Gaussian
    return centres, held / held.sum(axis=1, keepdims=True)


def _split(
    whole: Mixture, centres: Vectors, shares: Vectors, sums: ClassSums, least: float
) -> Mixture:
    """Components around centres, with what each class's covariance has beyond them."""
    covariances = whole.factors[:, 0] @ whole.factors[:, 0].transpose(0, 2, 1)
    middles = np.einsum("ck,ckd->cd", shares, centres)[:, None]
    apart = centres - middles
    between = np.einsum("ck,cki,ckj->cij", shares, apart, apart)
    # Noise moves the centres apart: its part in their covariance is known, and taken out.
    counts = np.maximum(sums.counts.reshape(shares.shape), FEWEST * sums.deviation)
    noise = (shares * (sums.deviation / counts) ** 2).sum(axis=1)
    between -= noise[:, None, None] * np.eye(centres.shape[2])
    factors = _factors(covariances - between, least)
    return Mixture(
        weights=whole.weights,
        shares=shares,
        means=centres,
        factors=np.repeat(factors[:, None], shares.shape[1], axis=1),
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


def _positive(matrix: Vectors, least: float) -> Vectors:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * _possible(values, least)) @ vectors.T)


def _possible(variances: Vectors, least: float) -> Vectors:
    """Variances at least `least`, and at most what vectors of norm 1 can have."""
    return np.clip(variances, least, max(least, 1.0))
