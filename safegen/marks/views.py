"""The alignments in which a mark is looked for: crops, turns and mirror images undone; numpy alone.

Whoever crops a picture moves everything that the extractor looks at. So the picture is looked at as
if it had been cropped here or there, or turned a little; what lies outside is continued from its
edge. The extractor itself forgives what lies between two views.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One alignment.

    Attributes:
        kept: share of the original's width and height that is believed to be left; above 1, the
            picture is believed to stand inside a margin.
        across: where the rest was taken away, from 0 (all on the right) to 1 (all on the left).
        down: likewise, from 0 (all at the bottom) to 1 (all at the top).
        turned: degrees, anticlockwise.
        mirrored: whether left and right were exchanged.
    """

    kept: float = 1.0
    across: float = 0.5
    down: float = 0.5
    turned: float = 0.0
    mirrored: bool = False


def _views() -> tuple[View, ...]:
    corners = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]
    edges = [(0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)]
    return (
        View(),
        *(View(kept=kept) for kept in (0.95, 0.9, 0.85, 1.06, 1.12)),
        *(
            View(kept=kept, across=across, down=down)
            for kept in (0.95, 0.9)
            for across, down in corners
        ),
        *(View(kept=0.9, across=across, down=down) for across, down in edges),
        *(View(turned=turned) for turned in (-4.0, -2.0, 2.0, 4.0)),
        *(View(kept=kept, mirrored=True) for kept in (1.0, 0.95, 0.9)),
    )


VIEWS = _views()  # 25, the undistorted one first


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Brightness (ITU-R BT.601) of a picture.

    Args:
        pixels: (1 or 3, height, width), uint8.

    Returns:
        (height, width), float32 in [0, 255].
    """
    weights = LUMA if len(pixels) == len(LUMA) else np.ones(1, dtype=np.float32)
    brightness: NDArray[np.float32] = np.tensordot(weights, pixels.astype(np.float32), axes=1)
    return brightness


LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def look(
    brightness: NDArray[np.float32], side: int, *, first: int | None = None
) -> NDArray[np.float32]:
    """A picture in every alignment, as large as an extractor looks at.

    Args:
        brightness: (height, width), float32.
        side: of the square that the extractor looks at.
        first: only so many alignments; the first one is the undistorted one.

    Returns:
        (views, side, side), float32.
    """
    brightness = _reduced(brightness, side)
    height, width = brightness.shape
    views = VIEWS[:first]
    seen = np.empty((len(views), side, side), dtype=np.float32)
    for number, view in enumerate(views):
        if view.turned:
            seen[number] = _turned(seen[0], math.radians(view.turned))
            continue
        rows = resampling(height, side, kept=view.kept, start=view.down)
        columns = resampling(width, side, kept=view.kept, start=view.across)
        seen[number] = rows @ brightness @ columns.T
        if view.mirrored:
            seen[number] = seen[number][:, ::-1]
    return seen


def _reduced(brightness: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Means of whole blocks, where a picture is so large that nothing is lost by them."""
    down, across = (max(1, length // (4 * side)) for length in brightness.shape)
    high, wide = brightness.shape[0] // down, brightness.shape[1] // across
    blocks = brightness[: high * down, : wide * across].reshape(high, down, wide, across)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return means


@functools.lru_cache(maxsize=256)
def resampling(
    source: int, target: int, *, kept: float = 1.0, start: float = 0.5
) -> NDArray[np.float32]:
    """The matrix of linear resampling with a triangle as filter, wide enough not to alias.

    Args:
        source: pixels that are there.
        target: pixels that are wanted.
        kept: share of the original's length that the source is believed to be.
        start: where the rest was taken away, from 0 (after the source) to 1 (before it).

    Returns:
        (target, source), float32; rows sum to 1.
    """
    scale = source / (target * kept)  # pixels of the source in one of the target
    missing = source / kept - source
    centres = (np.arange(target) + 0.5) * scale - missing * start
    centres = np.clip(centres, 0.5, source - 0.5)  # beyond its edges, its last pixel goes on
    places = np.arange(source) + 0.5
    reach = max(scale, 1.0)
    matrix = np.maximum(0.0, 1.0 - np.abs(places[None] - centres[:, None]) / reach)
    shares: NDArray[np.float32] = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _turned(square: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
    index, share = _turning(len(square), angle)
    turned: NDArray[np.float32] = np.einsum("khw,khw->hw", square.ravel()[index], share)
    return turned


@functools.lru_cache(maxsize=32)
def _turning(side: int, angle: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each pixel of a turned square, the four that it lies between, and the share of each."""
    places = np.arange(side) - (side - 1) / 2
    down, across = np.meshgrid(places, places, indexing="ij")
    y = np.clip(math.cos(angle) * down + math.sin(angle) * across + (side - 1) / 2, 0, side - 1)
    x = np.clip(math.cos(angle) * across - math.sin(angle) * down + (side - 1) / 2, 0, side - 1)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    bottom, right = np.minimum(top + 1, side - 1), np.minimum(left + 1, side - 1)
    v, u = y - top, x - left
    index = np.stack(
        [top * side + left, top * side + right, bottom * side + left, bottom * side + right]
    )
    share = np.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u])
    return index, share.astype(np.float32)
