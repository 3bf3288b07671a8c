"""Canary pictures: made-up records like no other, looked for in what the generator makes.

The attacker sees finished samples alone. Each canary is a checkered pattern of its own; a coin
decides whether it is among the records. Afterwards a canary that the generator comes closer to
than to most others is guessed to have been there.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from safegen.audit.canaries import CONFIDENCE
from safegen.audit.one_run import OneRunBound, one_run_bound
from safegen.modality.registry import modality_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.data.dataset import DataSet
    from safegen.modality.base import Modality

    Pictures = NDArray[Any]
    Labels = NDArray[np.int64]

PATTERN_CELLS = 7  # fields a side of a pattern
CANARIES_PER_BATCH = 256  # canaries compared with all samples at a time


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPictures:
    """Made-up records, and which of them are among the others.

    Attributes:
        pictures: (canaries, *dimensions), as their kind of data stores samples.
        labels: (canaries,), int64.
        included: (canaries,), bool, each by its own coin.
        modality: what kind of data they are.
    """

    pictures: Pictures
    labels: Labels
    included: NDArray[np.bool_]
    modality: Modality


def canary_pictures(data: DataSet, count: int, generator: np.random.Generator) -> CanaryPictures:
    """Patterns in the shape of a data set's samples, with labels at random."""
    modality = modality_of(data.card.shape)
    fields = [min(PATTERN_CELLS, side) for side in modality.dimensions]
    cells = generator.random((count, *fields)) < 0.5
    for axis, (side, few) in enumerate(zip(modality.dimensions, fields, strict=True), start=1):
        cells = cells.take(np.arange(side) * few // side, axis=axis)
    return CanaryPictures(
        pictures=modality.to_stored(cells.astype(np.float64)),
        labels=generator.integers(len(data.card.classes), size=count),
        included=generator.random(count) < 0.5,
        modality=modality,
    )


def inserted(data: DataSet, canaries: CanaryPictures) -> DataSet:
    """The records with the included canaries after them, each a unit of its own.

    The card counts those that are there; the digest stays that of the records, whose budget pays.
    """
    into = canaries.included
    count = int(into.sum())
    groups = data.groups
    if groups is not None:
        groups = np.concatenate([groups, data.card.units + np.arange(count)])
    card = data.card.model_copy(
        update={"count": len(data) + count, "units": data.card.units + count}
    )
    return dataclasses.replace(
        data,
        images=np.concatenate([data.images, canaries.pictures[into]]),
        labels=np.concatenate([data.labels, canaries.labels[into]]),
        groups=groups,
        names=(),
        card=card,
    )


def found_in_samples(
    canaries: CanaryPictures,
    samples: Pictures,
    sample_labels: Labels,
    delta: float,
    generator: np.random.Generator,
) -> OneRunBound:
    """What the samples prove about which canaries were among the records.

    Args:
        canaries: all of them.
        samples: (generated, *dimensions), as their kind of data stores them.
        sample_labels: (generated,), int64.
        delta: of the bound.
        generator: orders equal scores.
    """
    flat = _seen(samples, canaries.modality)
    scores = np.zeros(len(canaries.labels))
    for label in np.unique(canaries.labels):
        made = flat[sample_labels == label]
        asked = np.flatnonzero(canaries.labels == label)
        for part in np.array_split(asked, max(1, len(asked) // CANARIES_PER_BATCH)):
            patterns = _seen(canaries.pictures[part], canaries.modality)
            products = patterns @ made.T
            distances = (
                np.square(patterns).sum(1)[:, None] + np.square(made).sum(1)[None] - 2 * products
            )
            scores[part] = distances.mean(axis=1) - distances.min(axis=1)
    return one_run_bound(
        scores, canaries.included, delta, confidence=CONFIDENCE, generator=generator
    )


def _seen(stored: Pictures, modality: Modality) -> NDArray[np.float32]:
    """Samples as training sees them, (n, numbers), float32 in [0, 1]."""
    seen: NDArray[Any] = modality.to_float(stored.astype(np.float32))
    return seen.reshape(len(stored), -1).astype(np.float32, copy=False)
