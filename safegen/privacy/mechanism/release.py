"""One-shot Gaussian releases: a statistic of all records, once, with noise.

Four statistics: `total` is a sum of vectors; `class_sums` adds how many records each class has;
`class_moments` adds the sums of the vectors' outer products; `outer_products` is the sum of the
products of two vectors a record, such as a linear classifier's gradient. Each is one Gaussian
mechanism.

When units are groups, each record counts as one over its group's size: a group adds the average
of its records' entries, whose norm is at most that of one record's. Statistic and noise are
integers on a lattice (`lattice`).

Only `releases` makes a `Mechanism`, and counts it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import TrainingError
from safegen.privacy.mechanism.lattice import lattice
from safegen.privacy.mechanism.noise import generator_for, secure_generator
from safegen.privacy.mechanism.outlet import Output

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.privacy.mechanism.outlet import Outlet

    Vectors = NDArray[np.float64]

BATCH_ROWS = 8192  # records multiplied at once, in 64 bits
# What a count weighs beside a sum, and both beside products, which noise hides most.
COUNT_WEIGHT = 0.5
# L2 sensitivities for vectors of norm at most 1: of the sum; with the count; with the products.
SUM, COUNT_AND_SUM, MOMENTS = (
    1.0,
    math.sqrt(1 + COUNT_WEIGHT**2),
    math.sqrt(1 + 2 * COUNT_WEIGHT**2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSums:
    """Noisy counts and sums of each class, in units where every vector has norm at most 1.

    Attributes:
        counts: (classes,), float64.
        sums: (classes, dimensions), float64.
        count_deviation: standard deviation of the noise on a count.
        deviation: on a sum's entry.
    """

    counts: Vectors
    sums: Vectors
    count_deviation: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMoments:
    """Noisy moments of each class, in units where every vector has norm at most 1.

    Attributes:
        counts: (classes,), float64.
        sums: (classes, dimensions), float64.
        products: (classes, dimensions, dimensions), float64, symmetric.
        count_deviation: standard deviation of the noise on a count, or on a sum's entry.
        deviation: on a product's diagonal entry; an off-diagonal entry has it divided by sqrt(2).
    """

    counts: Vectors
    sums: Vectors
    products: Vectors
    count_deviation: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """How a release is made.

    Attributes:
        name: of the release, among those of its run.
        radius: public bound on a vector's norm; longer ones are clipped to it.
        noise_multiplier: noise deviation over the L2 sensitivity.
        key: of the noise (`noise.generator_for`); fresh from the operating system when None.
        groups: (records,), int64, the unit of each record; None when records are units.
        outlet: what the output goes through, in rehearsals; None for none.
    """

    name: str
    radius: float
    noise_multiplier: float
    key: int | None = None
    groups: NDArray[np.int64] | None = None
    outlet: Outlet | None = None

    def within(self, vectors: Vectors) -> Vectors:
        """Vectors (records, dimensions) clipped to the radius and divided by it."""
        return within(vectors, self.radius)

    def weights(self, records: int) -> Vectors:
        """What each record counts, (records,)."""
        if self.groups is None:
            return np.ones(records)
        weights: Vectors = 1.0 / np.bincount(self.groups)[self.groups]
        return weights

    def release(self, statistic: Vectors, sensitivity: float) -> tuple[Vectors, float]:
        """A statistic (d,) with noise, and the noise's deviation.

        Raises:
            TrainingError: a number in it is not finite.
        """
        grid = lattice(
            clipping_norm=sensitivity,
            noise_multiplier=self.noise_multiplier,
            dimensions=len(statistic),
        )
        try:
            points = grid.points(statistic)
        except OverflowError as error:
            raise TrainingError(
                f"the statistic of the release {self.name} is not finite, so it cannot be made; "
                "lower the learning rate"
            ) from error
        noise = grid.noise(len(statistic), self._stream(points, grid.spacing))
        noisy = grid.values(points + noise)
        if self.outlet is not None:
            noisy = self.outlet(
                Output(
                    name=self.name,
                    statistic=statistic,
                    noisy=noisy,
                    sensitivity=sensitivity,
                    noise_multiplier=self.noise_multiplier,
                )
            )
        return noisy, grid.deviation

    def _stream(self, points: NDArray[np.int64], spacing: float) -> np.random.Generator:
        if self.key is None:
            return secure_generator()
        name = f"{self.name} {self.noise_multiplier!r} {spacing!r} {self.radius!r}"
        return generator_for(self.key, name, points)


def within(vectors: Vectors, radius: float) -> Vectors:
    """Vectors (records, dimensions) clipped to a radius and divided by it."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    clipped: Vectors = vectors / np.maximum(norms, radius)
    return clipped


def total(vectors: Vectors, mechanism: Mechanism) -> tuple[Vectors, float]:
    """Release the sum of vectors (records, dimensions), in units of the radius.

    Returns:
        The sum (dimensions,), and the deviation of the noise on each of its entries.
    """
    weighted = mechanism.weights(len(vectors)) @ mechanism.within(vectors)
    return mechanism.release(weighted, SUM)


def outer_products(
    left: NDArray[np.float32], right: Vectors, mechanism: Mechanism
) -> NDArray[np.float64]:
    """Release the sum of each record's outer product, whose norm is clipped to the radius.

    It is |left| |right|, so that one record moves the sum by at most the radius.

    Args:
        left: (records, d).
        right: (records, k).
        mechanism: bound and noise.

    Returns:
        (d, k), float64, in the vectors' own units.

    Raises:
        TrainingError: a vector is not finite.
    """
    weights = mechanism.weights(len(left))
    summed = np.zeros((left.shape[1], right.shape[1]))
    for start in range(0, len(left), BATCH_ROWS):
        part = slice(start, start + BATCH_ROWS)
        inputs, outputs = left[part].astype(np.float64), right[part]
        norms = np.linalg.norm(inputs, axis=1) * np.linalg.norm(outputs, axis=1)
        factors = weights[part] / np.maximum(norms, mechanism.radius)
        summed += inputs.T @ (outputs * factors[:, None])
    noisy, _ = mechanism.release(summed.ravel(), SUM)
    return noisy.reshape(summed.shape) * mechanism.radius


def class_sums(
    vectors: Vectors, labels: NDArray[np.int64], classes: int, mechanism: Mechanism
) -> ClassSums:
    """Release counts and sums of all classes at once.

    One record adds to one class the entries (w, u) with |u| <= 1 and w = `COUNT_WEIGHT`: a norm of
    at most sqrt(1 + w^2). Dividing the count by w makes its noise larger, and that of sums is
    smaller than it would be with w = 1.

    Args:
        vectors: (records, dimensions), float64.
        labels: (records,), int64 in [0, classes).
        classes: how many; public.
        mechanism: bound and noise.

    Raises:
        TrainingError: a vector is not finite.
    """
    units = mechanism.within(vectors)
    member = np.eye(classes)[labels] * mechanism.weights(len(units))[:, None]
    statistic = np.concatenate([COUNT_WEIGHT * member.sum(axis=0), (member.T @ units).ravel()])
    noisy, deviation = mechanism.release(statistic, COUNT_AND_SUM)
    counts, sums = np.split(noisy, [classes])
    return ClassSums(
        counts=counts / COUNT_WEIGHT,
        sums=sums.reshape(classes, -1),
        count_deviation=deviation / COUNT_WEIGHT,
        deviation=deviation,
    )


def class_moments(
    vectors: Vectors, labels: NDArray[np.int64], classes: int, mechanism: Mechanism
) -> ClassMoments:
    """Release counts, sums and second moments of all classes at once.

    One record adds to one class the entries (w, w u, upper(u u^T)) with |u| <= 1 and
    w = `COUNT_WEIGHT`, where `upper` keeps the diagonal and the entries above it times sqrt(2),
    so that its norm is |u|^2. Adding or removing a record therefore moves the whole statistic by
    at most sqrt(w^2 + w^2 |u|^2 + |u|^4) <= sqrt(1 + 2 w^2) in L2, which is the sensitivity used
    here. Rebuilding the symmetric matrix divides the off-diagonal noise by sqrt(2).

    Args:
        vectors: (records, dimensions), float64.
        labels: (records,), int64 in [0, classes).
        classes: how many; public.
        mechanism: bound and noise.

    Raises:
        TrainingError: a vector is not finite.
    """
    dimensions = vectors.shape[1]
    units, shares = mechanism.within(vectors), mechanism.weights(len(vectors))
    member = np.eye(classes)[labels] * shares[:, None]
    upper = np.triu_indices(dimensions)
    weights = np.where(upper[0] == upper[1], 1.0, math.sqrt(2))

    counts = member.sum(axis=0)
    sums = member.T @ units
    products = np.stack([_products(units, shares, labels == k)[upper] for k in range(classes)])

    light = COUNT_WEIGHT * np.concatenate([counts, sums.ravel()])
    noisy, deviation = mechanism.release(
        np.concatenate([light, (products * weights).ravel()]), MOMENTS
    )
    counts, sums, weighted = np.split(noisy, [classes, classes + sums.size])
    counts, sums = counts / COUNT_WEIGHT, sums.reshape(classes, dimensions) / COUNT_WEIGHT
    weighted = weighted.reshape(products.shape)

    symmetric = np.zeros((classes, dimensions, dimensions))
    symmetric[:, upper[0], upper[1]] = weighted / weights
    symmetric[:, upper[1], upper[0]] = weighted / weights
    return ClassMoments(
        counts=counts,
        sums=sums,
        products=symmetric,
        count_deviation=deviation / COUNT_WEIGHT,
        deviation=deviation,
    )


def _products(units: Vectors, shares: Vectors, chosen: NDArray[np.bool_]) -> Vectors:
    """The weighted sum of outer products of the chosen vectors."""
    mine = units[chosen]
    products: Vectors = (mine * shares[chosen, None]).T @ mine
    return products
