"""A label that people see in a picture, and how well they see it.

Letters are drawn white or black, whichever stands out more from what lies beneath. Where neither
does enough, an opaque plate of the other colour is laid beneath them. Contrast is WCAG 2.2's ratio
of relative luminances, of the letters against the one pixel around them that is most like them.

Letters below 16 pixels are drawn without grey edges: they are sharper so, and the same everywhere.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from safegen.errors import RequestError
from safegen.schemas.label import (
    DEFAULT_CONTRAST,
    DEFAULT_POSITION,
    DEFAULT_TEXT,
    LabelDocument,
    VisibleLabel,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_HEIGHT = 7  # pixels of a capital: the dot matrix of 5 by 7, below which letters run together
LEAST_SHARE = 0.05  # of the shorter side, as GB 45438-2025 wants it
MOST_AREA = 0.5  # of the picture, which a label may cover: it is about the picture
SMOOTH_HEIGHT = 16  # pixels from which on letters have grey edges
LETTER_LIGHTNESS = {"white": 1.0, "black": 0.0}
OTHER_COLOUR = {"white": "black", "black": "white"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a label lies, and the letters in it.

    Attributes:
        box: its rows and columns in the picture.
        letters: (rows, columns) of the box, how much of each pixel a letter covers, in [0, 1].
    """

    box: tuple[slice, slice]
    letters: NDArray[np.float32]


def planned(wanted: LabelDocument, width: int, height: int) -> VisibleLabel:
    """A label as it will be drawn into every picture of a size, as far as that is known before.

    Args:
        wanted: what was asked for.
        width: of the picture, pixels.
        height: likewise.

    Raises:
        RequestError: it could not be read there, or no font here has its letters.
    """
    shorter = min(width, height)
    least = max(LEAST_HEIGHT, math.ceil(LEAST_SHARE * shorter))
    capitals = least if wanted.share is None else math.ceil(round(wanted.share * shorter, 6))
    if capitals < LEAST_HEIGHT:
        raise RequestError(
            f"a label of {wanted.share:.1%} of {shorter} pixels is {capitals} pixels high, and "
            f"cannot be read below {LEAST_HEIGHT}: ask for a share of "
            f"{math.ceil(100 * LEAST_HEIGHT / shorter) / 100:.2f} or more"
        )
    text = wanted.text or DEFAULT_TEXT
    box_height, box_width = _letters(text, capitals).shape
    if box_width > width or box_height > height:
        raise RequestError(
            f"the label {text!r} is {box_width} pixels wide and {box_height} high at its size, and "
            f"the picture {width} and {height}: shorten it, or ask for a smaller share"
        )
    if box_width * box_height > MOST_AREA * width * height:
        raise RequestError(
            f"the label {text!r} would cover {box_width * box_height / (width * height):.0%} of a "
            f"picture of {width} by {height} pixels, and it may cover {MOST_AREA:.0%}: a picture "
            "so small cannot carry it; shorten it, or make larger pictures"
        )
    return VisibleLabel(
        text=text,
        position=wanted.position or DEFAULT_POSITION,
        height=capitals,
        share=capitals / shorter,
        colour="white",
        plate=True,
        contrast=1.0,
    )


def chosen(
    sample: NDArray[Any], label: VisibleLabel, least: float = DEFAULT_CONTRAST
) -> VisibleLabel:
    """A label with the colours that one picture needs.

    Args:
        sample: (1 or 3, height, width), in [0, 1].
        label: as `planned`.
        least: the contrast below which a plate is laid beneath.
    """
    place = _placed(label, sample.shape[1], sample.shape[2])
    beneath = luminance(np.clip(sample[:, *place.box], 0, 1))
    colour = max(LETTER_LIGHTNESS, key=lambda each: _against(LETTER_LIGHTNESS[each], beneath))
    # As some files store them, letters are a little less white or black than they were drawn.
    plate = _against(LETTER_LIGHTNESS[colour], beneath) < 1.2 * least
    return label.model_copy(update={"colour": colour, "plate": plate})


def draw(sample: NDArray[Any], label: VisibleLabel) -> NDArray[Any]:
    """A picture with a label in it.

    Args:
        sample: (1 or 3, height, width), in [0, 1].
        label: as it was `chosen` for this picture.
    """
    place = _placed(label, sample.shape[1], sample.shape[2])
    made = np.array(sample, copy=True)
    beneath = np.clip(made[:, *place.box], 0, 1)
    letters = LETTER_LIGHTNESS[label.colour]
    if label.plate:
        beneath = np.full_like(beneath, LETTER_LIGHTNESS[OTHER_COLOUR[label.colour]])
    made[:, *place.box] = beneath + place.letters * (letters - beneath)
    return made


def contrast_in(stored: NDArray[np.uint8], label: VisibleLabel) -> float:
    """The contrast of a label as a file stores it, from 1 to 21.

    Args:
        stored: (1 or 3, height, width).
        label: as it was drawn.
    """
    place = _placed(label, stored.shape[1], stored.shape[2])
    seen = luminance(stored[:, *place.box] / 255)
    letters = float(np.median(seen[place.letters >= 1]))
    return _against(letters, seen[place.letters <= 0])


def luminance(values: NDArray[Any]) -> NDArray[np.float64]:
    """WCAG's relative luminance of sRGB values (1 or 3, ...), in [0, 1].

    >>> luminance(np.array([[0.0], [1.0], [0.0]])).tolist()
    [0.7152]
    """
    values = np.asarray(values, dtype=np.float64)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    weights = [1.0] if len(linear) == 1 else [0.2126, 0.7152, 0.0722]
    mixed: NDArray[np.float64] = np.tensordot(weights, linear, axes=1)
    return mixed


def _against(letters: float, around: NDArray[np.float64]) -> float:
    """WCAG's contrast ratio of letters against the pixel that is most like them."""
    light, dark = np.maximum(letters, around), np.minimum(letters, around)
    return float(((light + 0.05) / (dark + 0.05)).min())


def _placed(label: VisibleLabel, height: int, width: int) -> _Place:
    if label.height > min(height, width):
        raise RequestError(
            f"a label of {label.height} pixels is none for a picture of {width}x{height}"
        )
    letters = _letters(label.text, label.height)
    rows, columns = letters.shape
    if rows > height or columns > width:
        raise RequestError(f"the label {label.text!r} is wider than a picture of {width}x{height}")
    vertical, _, horizontal = label.position.partition("-")
    top = _margin(height - rows, label) if vertical == "top" else height - rows
    if vertical == "bottom":
        top -= _margin(height - rows, label)
    left = {
        "left": _margin(width - columns, label),
        "right": width - columns - _margin(width - columns, label),
        "": (width - columns) // 2,
    }[horizontal]
    return _Place(box=(slice(top, top + rows), slice(left, left + columns)), letters=letters)


def _margin(room: int, label: VisibleLabel) -> int:
    """Pixels from the picture's edge, where there is room for them."""
    return min(room, max(1, label.height // 4))


@functools.lru_cache(maxsize=64)
def _letters(text: str, height: int) -> NDArray[np.float32]:
    """How much of each pixel of its box a text covers, (rows, columns), in [0, 1].

    Raises:
        RequestError: the font has no such letter.
    """
    font = _font(height)
    missing = sorted({each for each in text if not _has(font, each)})
    if missing:
        raise RequestError(
            f"the label {text!r} has {', '.join(missing)}, for which the font of labels (DejaVu "
            "Sans) has no shape; write it with other letters"
        )
    around = max(1, height // 4)
    left, top, right, bottom = font.getbbox(text, mode=_mode(height))
    first, last = font.getbbox("A", mode=_mode(height))[1::2]
    top, bottom = min(top, first), max(bottom, last)
    size = (math.ceil(right - left) + 2 * around, math.ceil(bottom - top) + 2 * around)
    canvas = Image.new("L", size)
    pen = ImageDraw.Draw(canvas)
    pen.fontmode = _mode(height)
    pen.text((around - left, around - top), text, fill=255, font=font)
    return np.asarray(canvas).astype(np.float32) / np.float32(255)


def _mode(height: int) -> str:
    return "L" if height >= SMOOTH_HEIGHT else "1"


@functools.cache
def _font(height: int) -> ImageFont.FreeTypeFont:
    """The font in the smallest size whose capitals have a height."""
    for size in range(height, 3 * height):
        font = ImageFont.truetype(_font_file(), size, layout_engine=ImageFont.Layout.BASIC)
        _, top, _, bottom = font.getbbox("A", mode=_mode(height))
        if bottom - top >= height:
            return font
    raise AssertionError(height)


@functools.cache
def _font_file() -> str:
    """DejaVu Sans, bold, which comes with matplotlib."""
    import matplotlib as mpl

    return str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf")


def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Whether a font has a shape for a letter, rather than the box for those it lacks."""
    if letter.isspace():
        return True
    absent = bytes(font.getmask("\U0010fffd"))
    return letter.isprintable() and bytes(font.getmask(letter)) != absent
