"""Fonts for other people's names: an installed one that has their letters, or an honest escape.

A letter that no font has would be drawn as an empty box, in a signed picture: two names of as many
letters would look the same.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from typing import TYPE_CHECKING, NamedTuple

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

if TYPE_CHECKING:
    from collections.abc import Iterator

BUNDLED_FONT = "DejaVu Sans"  # comes with matplotlib
FONT_WEIGHT = "bold"
MAX_NAME_LETTERS = 40  # characters of a name that are drawn
# Fonts that have a box for every letter.
PLACEHOLDER_FONTS = ("Last Resort", "Adobe Blank", "Adobe NotDef")


class Lettering(NamedTuple):
    """How a text can be drawn.

    Attributes:
        text: itself, with an escape in place of what no font has.
        families: fonts that have its letters between them, the first first.
    """

    text: str
    families: tuple[str, ...]


def lettering(text: str) -> Lettering:
    r"""The text as it can be drawn here, and the fonts to draw it with.

    Characters that cannot be printed (line breaks, marks that turn writing around) are escaped even
    where a font has something for them.

    >>> lettering("a café")
    Lettering(text='a café', families=('DejaVu Sans',))
    >>> lettering("7\u202e\n").text
    '7\\u202e\\u000a'
    """
    families, drawn = [BUNDLED_FONT], []
    for letter in text:
        family = _family_for(letter) if letter.isprintable() else None
        if family is not None and family not in families:
            families.append(family)
        drawn.append(letter if family is not None else _escape(letter))
    return Lettering("".join(drawn), tuple(families))


def shown(name: str, label: int) -> str:
    r"""A class's name as it can be drawn; with its number where that is not all of the name.

    >>> shown("shirt", 6)
    'shirt'
    >>> shown("shi\nrt", 6)
    'label 6 (shi\\u000art)'
    """
    text = lettering(name).text
    if len(text) > MAX_NAME_LETTERS:
        text = f"{text[:MAX_NAME_LETTERS]}..."
    return name if text == name else f"label {label} ({text})"


@contextlib.contextmanager
def without_remarks() -> Iterator[None]:
    """Keep matplotlib from telling the terminal that a family has no bold letters."""
    logger = logging.getLogger(font_manager.__name__)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@functools.lru_cache(maxsize=4096)
def _family_for(letter: str) -> str | None:
    """The first family that has a letter, our own before all others."""
    return next((name for name in _families() if _draws(_face(name), letter)), None)


@functools.cache
def _families() -> tuple[str, ...]:
    known = {entry.name for entry in font_manager.fontManager.ttflist}
    known = {name for name in known if not any(box in name for box in PLACEHOLDER_FONTS)}
    return (BUNDLED_FONT, *sorted(known - {BUNDLED_FONT}))


@functools.cache
def _face(family: str) -> FT2Font | None:
    """The very font that is drawn with, since others of its family may have other letters."""
    wanted = font_manager.FontProperties(family=[family], weight=FONT_WEIGHT)
    try:
        with without_remarks():
            path = font_manager.findfont(wanted, fallback_to_default=False)
        face = FT2Font(path, face_index=getattr(path, "face_index", 0))
    except (OSError, RuntimeError, ValueError):
        return None
    return face if face.scalable else None  # a font of bitmaps cannot be drawn in our size


def _draws(face: FT2Font | None, letter: str) -> bool:
    """Whether a font has a shape for a letter; a font of coloured letters may have none."""
    if face is None or not face.get_char_index(ord(letter)):
        return False
    face.load_char(ord(letter))
    return letter.isspace() or len(face.get_path()[0]) > 0


def _escape(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
