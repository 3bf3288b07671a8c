"""Duplicates: two outputs of one release that are the same picture, or nearly."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from safegen.screens.registry import register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from safegen.screens.screen import Batch

    Floats = NDArray[np.float64]

ROWS_AT_ONCE = 2_048  # compared with a whole batch
SCORE_ALONE = 1.0  # the largest distance there is: nothing to be a duplicate of


@register
class NearestDistance:
    """How far the nearest other sample of the release is, 0 for a duplicate, at most 1.

    The root mean square difference of the values in [0, 1]. Samples of the release that were
    screened before are compared with, too, so that a later one that repeats them is found.
    """

    name: ClassVar[str] = "nearest_distance"

    def measure(self, batch: Batch) -> list[float]:
        """The distance of each sample; 1 for one that is alone.

        >>> from safegen.screens.screen import Batch
        >>> samples = np.array([0, 0, 51], dtype=np.uint8).reshape(3, 1, 1, 1)
        >>> NearestDistance().measure(Batch(samples=samples, requests=()))
        [0.0, 0.0, 0.2]
        """
        own = _flat(batch, batch.samples)
        nearest = np.full(len(own), SCORE_ALONE**2)
        for start, others in _others(batch, own):
            squares = _squares(own, others)
            if start is not None:  # the batch itself: nobody is its own duplicate
                rows = np.arange(len(others))
                squares[start + rows, rows] = np.inf
            nearest = np.minimum(nearest, squares.min(axis=1))
        same = _repeated(batch)
        distances: list[float] = np.where(same, 0.0, np.sqrt(nearest)).round(12).tolist()
        return distances


def _flat(batch: Batch, samples: NDArray[np.generic]) -> Floats:
    values: Floats = np.asarray(batch.as_seen(samples), dtype=np.float64)
    return values.reshape(len(values), -1)


def _others(batch: Batch, own: Floats) -> Iterator[tuple[int | None, Floats]]:
    """What each sample is compared with, in parts; and where in the batch these begin, if there."""
    for start in range(0, len(own), ROWS_AT_ONCE):
        yield start, own[start : start + ROWS_AT_ONCE]
    earlier = batch.earlier
    for start in range(0, 0 if earlier is None else len(earlier), ROWS_AT_ONCE):
        assert earlier is not None
        yield None, _flat(batch, earlier[start : start + ROWS_AT_ONCE])


def _squares(own: Floats, others: Floats) -> Floats:
    """Mean square differences (own, others): |a|^2 + |b|^2 - 2 ab, over the number of values."""
    norms = (own**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None]
    squares: Floats = (norms - 2 * (own @ others.T)).clip(0) / own.shape[1]
    return squares


def _repeated(batch: Batch) -> NDArray[np.bool_]:
    """Which samples are there a second time, byte for byte: rounding cannot hide these."""
    known = {each.tobytes() for each in batch.earlier} if batch.earlier is not None else set()
    stored = [each.tobytes() for each in batch.samples]
    counts = Counter(stored)
    return np.array([each in known or counts[each] > 1 for each in stored])
