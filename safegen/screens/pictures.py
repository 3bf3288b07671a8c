"""Pictures as their files store them to what a network takes: colours, size, normalised values."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from safegen.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.schemas.screens import Colours, PictureInput

    Floats = NDArray[np.float32]

LUMA_WEIGHTS = np.array(
    [0.299, 0.587, 0.114], dtype=np.float32
)  # ITU-R BT.601, of red, green, blue
RESIZE_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MAX_STORED = 255


def dimensions_of(wanted: PictureInput) -> tuple[int, ...]:
    """Of one picture as the network takes it."""
    if wanted.layout == "NCHW":
        return (wanted.channels, *wanted.size)
    return (*wanted.size, wanted.channels)


def prepared(samples: NDArray[Any], wanted: PictureInput) -> Floats:
    """A whole batch at once.

    Args:
        samples: (n, 1 or 3, height, width), uint8, red first.
        wanted: how the network takes them.

    Returns:
        (n, channels, *size) or (n, *size, channels), float32, normalised.

    Raises:
        DataError: these are no pictures.
    """
    if samples.ndim != 4 or samples.shape[1] not in {1, 3} or samples.dtype != np.uint8:
        raise DataError(
            f"it looks at grey or RGB pictures of 8 bits, and these are {samples.dtype} of "
            f"{'x'.join(map(str, samples.shape[1:]))}"
        )
    values = _coloured(samples.astype(np.float32), wanted.colours) * (wanted.white / MAX_STORED)
    values = _resized(values, wanted)
    mean, deviation = (
        np.array(each, dtype=np.float32)[:, None, None] for each in (wanted.mean, wanted.deviation)
    )
    values = (values - mean) / deviation
    return np.ascontiguousarray(
        values if wanted.layout == "NCHW" else values.transpose(0, 2, 3, 1), dtype=np.float32
    )


def _coloured(values: Floats, colours: Colours) -> Floats:
    if colours == "grey":
        if values.shape[1] == 1:
            return values
        grey: Floats = np.einsum("nchw,c->nhw", values, LUMA_WEIGHTS)[:, None]
        return grey
    values = np.broadcast_to(values, (len(values), 3, *values.shape[2:]))
    return values[:, ::-1] if colours == "BGR" else values


def _resized(values: Floats, wanted: PictureInput) -> Floats:
    """Resizing is linear in the values: one product of matrices a side, for all pictures."""
    height, width = wanted.size
    if values.shape[2:] == (height, width):
        return values
    down = _weights(values.shape[2], height, wanted.resize)
    across = _weights(values.shape[3], width, wanted.resize)
    resized = np.asarray(down @ values @ across.T, dtype=np.float32)
    if wanted.resize == "bicubic":  # which overshoots at edges
        np.clip(resized, 0, wanted.white, out=resized)
    return resized


@lru_cache(maxsize=32)
def _weights(before: int, after: int, kind: str) -> Floats:
    """How much each old row gives to each new one, (after, before): Pillow's own, of unit rows."""
    units = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(units.resize((before, after), RESIZE_FILTERS[kind]))
