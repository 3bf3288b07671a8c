"""One-shot Gaussian releases: a statistic of all records, once, with noise.

`class_moments` releases for every class how many records it has, the sum of their vectors and
the sum of the vectors' outer products, all in one Gaussian mechanism.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import TrainingError
from safegen.privacy.lattice import lattice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float64]

SENSITIVITY = math.sqrt(3)  # of count, sum and second moment together, for vectors of norm 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMoments:
    """Noisy moments of each class, in units where every vector has norm at most 1.

    Attributes:
        counts: (classes,), float64.
        sums: (classes, dimensions), float64.
        products: (classes, dimensions, dimensions), float64, symmetric.
        deviation: standard deviation of the noise on a count, a sum's entry or a product's
            diagonal entry; an off-diagonal entry has it divided by sqrt(2).
    """

    counts: Vectors
    sums: Vectors
    products: Vectors
    deviation: float


def class_moments(
    vectors: Vectors,
    labels: NDArray[np.int64],
    *,
    groups: NDArray[np.int64] | None = None,
    classes: int,
    radius: float,
    noise_multiplier: float,
    generator: np.random.Generator,
) -> ClassMoments:
    """Release counts, sums and second moments of all classes at once.

    One record adds to one class the entries (1, u, upper(u u^T)) with |u| <= 1, where `upper`
    keeps the diagonal and the entries above it times sqrt(2), so that its norm is |u|^2. Adding
    or removing a record therefore moves the whole statistic by at most
    sqrt(1 + |u|^2 + |u|^4) <= sqrt(3) in L2, which is the sensitivity used here. Rebuilding the
    symmetric matrix divides the off-diagonal noise by sqrt(2).

    When units are groups, each record counts as one over its group's size: a group adds the
    average of its records' entries, whose norm is at most sqrt(3) again.

    Statistic and noise are integers on a lattice (`lattice`).

    Args:
        vectors: (records, dimensions), float64, clipped here to norm `radius`.
        labels: (records,), int64 in [0, classes).
        groups: (records,), int64, the unit of each record; None when records are units.
        classes: how many; public.
        radius: public bound on a vector's norm.
        noise_multiplier: noise deviation over the L2 sensitivity.
        generator: where the noise comes from; outside tests `noise.secure_generator()`.

    Raises:
        TrainingError: a vector is not finite.
    """
    dimensions = vectors.shape[1]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.maximum(norms, radius)
    shares = np.ones(len(units)) if groups is None else 1.0 / np.bincount(groups)[groups]
    member = np.eye(classes)[labels] * shares[:, None]
    upper = np.triu_indices(dimensions)
    weights = np.where(upper[0] == upper[1], 1.0, math.sqrt(2))

    counts = member.sum(axis=0)
    sums = member.T @ units
    products = np.stack(
        [((units * member[:, k, None]).T @ units)[upper] * weights for k in range(classes)]
    )

    statistic = np.concatenate([counts, sums.ravel(), products.ravel()])
    grid = lattice(
        clipping_norm=SENSITIVITY, noise_multiplier=noise_multiplier, dimensions=len(statistic)
    )
    try:
        points = grid.points(statistic)
    except OverflowError as error:
        raise TrainingError(
            "a latent code is not finite, so nothing can be released of it; lower the learning rate"
        ) from error
    noisy = grid.values(points + grid.noise(len(statistic), generator))
    counts, sums, weighted = np.split(noisy, [classes, classes + sums.size])
    sums, weighted = sums.reshape(classes, dimensions), weighted.reshape(products.shape)

    symmetric = np.zeros((classes, dimensions, dimensions))
    symmetric[:, upper[0], upper[1]] = weighted / weights
    symmetric[:, upper[1], upper[0]] = weighted / weights
    return ClassMoments(counts=counts, sums=sums, products=symmetric, deviation=grid.deviation)
