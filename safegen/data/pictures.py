"""Picture files as records: one opaque picture a file, grey or RGB, of 8 bits a channel.

16 bits keep their upper eight, by the same rule for every record: to stretch the values that the
records happen to have would be a look at them that no budget knows. What cannot be taken without
a choice that is its owner's, such as a background, is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from safegen.errors import DataError
from safegen.modality.image import read_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
GREY_MODES = {"1", "L", "LA", "La"}
MIN_PEAK_16_BIT = 2**12  # of 16-bit pictures; 8 bits keep at most 16 greys of values below it


class Opened(NamedTuple):
    """A picture file as a record.

    Attributes:
        picture: mode L or RGB.
        peak: its highest value when it had 16 bits; None when it had fewer.
    """

    picture: Image.Image
    peak: int | None


def open_record(data: bytes) -> Opened:
    """Open a picture file as a record.

    Raises:
        DataError: it is no whole picture, or not one opaque picture of 8 or 16 bits.
    """
    try:
        picture = read_picture(data)
    except DataError as error:
        raise DataError(f"{error}; mend or remove it") from error
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # a camera's JPEG with a preview inside
        raise DataError(f"{frames} pictures in one file; save the one that is the record")
    return as_record(picture)


def as_record(picture: Image.Image) -> Opened:
    """An open picture as a record.

    Raises:
        DataError: it is not opaque, or not of 8 or 16 bits.
    """
    _require_opaque(picture)
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture).astype(np.uint16)
        return Opened(Image.fromarray(eight_bits(wide)), int(wide.max()))
    if picture.mode in {"I", "F"}:
        raise DataError(
            "a picture of signed, 32-bit or floating-point values; save it with 8 or 16 bits, by "
            "one scale for all pictures"
        )
    try:
        return Opened(_plain(picture), None)
    except ValueError as error:
        raise DataError(f"a picture in {picture.mode} colours; save it in grey or RGB") from error


def eight_bits(wide: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The upper eight of 16 bits.

    >>> eight_bits(np.array([0, 255, 256, 65535], dtype=np.uint16)).tolist()
    [0, 0, 1, 255]
    """
    upper: NDArray[np.uint8] = (wide >> 8).astype(np.uint8)
    return upper


def require_deep(name: str, peak: int | None) -> None:
    """Refuse 16-bit pictures, such as scans of 12 bits, that would come out all but black.

    Args:
        name: of the data set.
        peak: the highest value in any 16-bit picture; None when there is none.

    Raises:
        DataError: 8 bits would keep too few greys.
    """
    if peak is not None and peak < MIN_PEAK_16_BIT:
        raise DataError(
            f"{name} has 16-bit pictures that use the lowest 12 bits or fewer, and the upper 8 "
            "bits are what is kept; multiply all of them by one number, such as 16, so that they "
            "use the range to 65535"
        )


def resized(images: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """Resize (count, channels, height, width) to squares; bicubic, one channel at a time."""
    if size is None or images.shape[2:] == (size, size):
        return images
    planes = images.reshape(-1, *images.shape[2:])
    squares = np.stack([np.asarray(square(Image.fromarray(plane), size)) for plane in planes])
    return squares.reshape(*images.shape[:2], size, size)


def square(picture: Image.Image, size: int | None) -> Image.Image:
    """Resize one picture to a square; as it is when no size is asked for."""
    return picture.resize((size, size), Image.Resampling.BICUBIC) if size else picture


def _require_opaque(picture: Image.Image) -> None:
    if not picture.has_transparency_data:
        return
    deep = picture.mode.startswith("I")  # whose one transparent value Pillow does not lay out
    if deep or picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise DataError(
            "a picture that is partly transparent; lay it on the background that you mean, and "
            "save it without transparency"
        )


def _plain(picture: Image.Image) -> Image.Image:
    """An opaque picture as grey or RGB."""
    mode = "L" if picture.mode in GREY_MODES else "RGB"
    if picture.mode == mode:
        return picture
    return picture.convert("RGBA").convert(mode) if mode == "RGB" else picture.convert(mode)
