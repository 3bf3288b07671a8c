"""Canary pictures: made-up records like no other, looked for in what the generator makes.

The attacker sees finished samples alone. Each canary is a checkered pattern of its own; a coin
decides whether it is among the records. Afterwards a canary that the generator comes closer to
than to most others is guessed to have been there.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from safegen.audit.canaries import CONFIDENCE
from safegen.audit.one_run import OneRunBound, one_run_bound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.data.dataset import DataSet

    Pictures = NDArray[np.uint8]
    Labels = NDArray[np.int64]

CELLS = 7  # fields a side of a pattern
MOST_AT_ONCE = 256  # canaries compared with all samples at a time


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPictures:
    """Made-up records, and which of them are among the others.

    Attributes:
        pictures: (canaries, channels, height, width), uint8.
        labels: (canaries,), int64.
        included: (canaries,), bool, each by its own coin.
    """

    pictures: Pictures
    labels: Labels
    included: NDArray[np.bool_]


def canary_pictures(data: DataSet, count: int, generator: np.random.Generator) -> CanaryPictures:
    """Patterns in the shape of a data set's pictures, with labels at random."""
    shape = data.card.shape
    cells = generator.random((count, shape.channels, CELLS, CELLS)) < 0.5
    rows = np.arange(shape.height) * CELLS // shape.height
    columns = np.arange(shape.width) * CELLS // shape.width
    return CanaryPictures(
        pictures=(cells[:, :, rows][:, :, :, columns] * 255).astype(np.uint8),
        labels=generator.integers(len(data.card.classes), size=count),
        included=generator.random(count) < 0.5,
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
        samples: (generated, channels, height, width), uint8.
        sample_labels: (generated,), int64.
        delta: of the bound.
        generator: orders equal scores.
    """
    flat = samples.reshape(len(samples), -1).astype(np.float32) / 255
    scores = np.zeros(len(canaries.labels))
    for label in np.unique(canaries.labels):
        made = flat[sample_labels == label]
        asked = np.flatnonzero(canaries.labels == label)
        for part in np.array_split(asked, max(1, len(asked) // MOST_AT_ONCE)):
            patterns = canaries.pictures[part].reshape(len(part), -1).astype(np.float32) / 255
            products = patterns @ made.T
            distances = (
                np.square(patterns).sum(1)[:, None] + np.square(made).sum(1)[None] - 2 * products
            )
            scores[part] = distances.mean(axis=1) - distances.min(axis=1)
    return one_run_bound(
        scores, canaries.included, delta, confidence=CONFIDENCE, generator=generator
    )
