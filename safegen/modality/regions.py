"""The regions of a sample that an explanation speaks of: weighted means of its values.

A region is a row of weights over the values of one sample, so that whoever explains needs one
matrix product, whatever kind of data it is, and this room needs no network library. A verifier
knows kinds of data and explains nothing; so numpy is imported where weights are made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.schemas.explanation import Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PICTURE_GRID = Grid(rows=4, columns=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """What of a sample is explained.

    Attributes:
        grid: how the regions lie, row by row.
        weights: (regions, values of one sample), float32; each row sums to 1.
    """

    grid: Grid
    weights: NDArray[np.float32]


def picture_regions(shape: tuple[int, int, int], grid: Grid = PICTURE_GRID) -> Regions:
    """The mean brightness of each cell of a grid over a picture.

    Cells share a row or column of pixels where the grid does not divide the picture.

    Args:
        shape: channels, height, width.
        grid: rows and columns.

    >>> regions = picture_regions((1, 4, 4), Grid(rows=2, columns=2))
    >>> regions.weights[3].reshape(4, 4)[3].tolist()
    [0.0, 0.0, 0.25, 0.25]
    """
    import numpy as np

    channels, height, width = shape
    down, across = _means(height, grid.rows), _means(width, grid.columns)
    cells = np.einsum("ah,bw->abhw", down, across).reshape(-1, 1, height * width)
    weights = np.repeat(cells, channels, axis=1) / channels
    return Regions(grid=grid, weights=weights.reshape(len(weights), -1).astype(np.float32))


def _means(length: int, parts: int) -> NDArray[np.float64]:
    """Weights (parts, length) of the mean of each part of a line."""
    import numpy as np

    weights = np.zeros((parts, length))
    for part in range(parts):
        first, end = part * length // parts, math.ceil((part + 1) * length / parts)
        weights[part, first:end] = 1 / (end - first)
    return weights
