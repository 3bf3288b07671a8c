"""How far two sets of pictures are apart, in a space of features.

The Frechet distance (Heusel et al. 2017) compares the Gaussians that fit both. Improved precision
and recall (Kynkaanniemi et al. 2019) tell the two ways to be far apart: pictures that no record is
like, and records that no picture is like. A feature's surroundings reach to its k-th neighbour in
its own set.

All three depend on how many there are, so that a floor between two sets of records is only worth
something with the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.errors import DataError
from safegen.schemas.evaluation import Beside, Fidelity

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Features = NDArray[np.float64]

NEIGHBOUR_RANK = 3  # Kynkaanniemi et al.'s k
BATCH_ROWS = 1_000  # rows of a matrix of distances


def compare(synthetic: Features, test: Features, training: Features, *, space: str) -> Fidelity:
    """Synthetic pictures beside test records, and training records beside the same as the floor.

    Args:
        synthetic: (n, features), float64.
        test: (n, features), float64, at least 5.
        training: (n, features), float64.
        space: what the features are, in words.

    Raises:
        DataError: the three differ in number, or are too few.
    """
    if not len(synthetic) == len(test) == len(training):
        raise DataError(
            f"{len(synthetic)} synthetic, {len(test)} test and {len(training)} training features "
            "are not as many; a floor needs equal numbers"
        )
    precision, recall = precision_and_recall(test, synthetic)
    precision_floor, recall_floor = precision_and_recall(test, training)
    return Fidelity(
        features=space,
        count=len(test),
        neighbour=NEIGHBOUR_RANK,
        frechet=Beside(
            value=frechet_distance(synthetic, test), floor=frechet_distance(training, test)
        ),
        precision=Beside(value=precision, floor=precision_floor),
        recall=Beside(value=recall, floor=recall_floor),
    )


def frechet_distance(one: Features, other: Features) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the Gaussians that fit (n, d), float64.

    The root is taken as that of the symmetric S1^(1/2) S2 S1^(1/2), which has the same trace, is
    never complex, and needs no inverse where there are fewer rows than features.
    """
    means = one.mean(0) - other.mean(0)
    first, second = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (one, other))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ second @ root).clip(0)
    distance = means @ means + np.trace(first) + np.trace(second) - 2 * np.sqrt(product).sum()
    return float(max(distance, 0.0))


def precision_and_recall(
    real: Features, made: Features, *, neighbour: int = NEIGHBOUR_RANK
) -> tuple[float, float]:
    """Share of `made` in the surroundings of `real`, and the other way round.

    Args:
        real: (n, features), float64, more than `neighbour`.
        made: (m, features), float64, more than `neighbour`.
        neighbour: how far surroundings reach: to the distance of this neighbour.

    Raises:
        DataError: there are too few for that.
    """
    if min(len(real), len(made)) <= neighbour:
        raise DataError(
            f"{min(len(real), len(made))} pictures have no neighbour number {neighbour}; "
            "give more of both"
        )
    middle = real.mean(0)  # the products behind distances are most exact near 0
    points = [torch.from_numpy((each - middle).astype(np.float32)) for each in (real, made)]
    radii = [_radii(each, neighbour) for each in points]
    reached_made = torch.zeros(len(made), dtype=torch.bool)
    reached_real = []
    for rows, reach in zip(
        *(torch.split(each[0], BATCH_ROWS) for each in (points, radii)), strict=True
    ):
        distances = torch.cdist(rows, points[1])
        reached_made |= (distances <= reach[:, None]).any(0)
        reached_real.append((distances <= radii[1]).any(1))
    return float(reached_made.double().mean()), float(torch.cat(reached_real).double().mean())


def _radii(points: Tensor, neighbour: int) -> Tensor:
    """(n,), float32: distance to a neighbour; the point itself is nearest."""
    parts = [
        torch.cdist(rows, points).topk(neighbour + 1, largest=False).values[:, -1]
        for rows in torch.split(points, BATCH_ROWS)
    ]
    return torch.cat(parts)
