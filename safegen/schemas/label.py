"""A label that people see: as a policy asks for it, and as it was drawn and signed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints

from safegen.schemas.canonical import Record

Position = Literal[
    "top-left", "top", "top-right", "bottom-left", "bottom", "bottom-right",
]  # fmt: skip
LabelText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\n\r]+$"),
]
DEFAULT_TEXT = "AI"
DEFAULT_POSITION: Position = "bottom-right"
# Of text against what lies beneath it: WCAG 2.2, success criterion 1.4.3.
DEFAULT_CONTRAST = 4.5


class LabelDocument(Record):
    """What outputs must show; whatever is left out is as usual.

    Attributes:
        text: the label; the acronym AI, in capitals, where it is left out.
        position: where in the picture, its lower right corner where it is left out.
        share: the height of its capitals as a share of the picture's shorter side; as small as can
            be read, and 0.05 at least, where it is left out.
        contrast: the least contrast ratio, by WCAG 2.2, of its letters against what lies beneath;
            4.5 where it is left out.
    """

    text: LabelText | None = None
    position: Position | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    contrast: Annotated[float, Field(ge=1, le=21)] | None = None


class VisibleLabel(Record):
    """A label as it was drawn; with the sample, all that is needed to draw it again.

    Attributes:
        text: what it says.
        position: where in the picture.
        height: of its capitals, pixels.
        share: the same as a share of the picture's shorter side.
        colour: of its letters.
        plate: whether a plate of the other colour lies beneath, because what was there was not
            of one brightness, or too much like the letters.
        contrast: the ratio, by WCAG 2.2, of its letters against the pixel beneath that is most
            like them, as the file stores both; 21 is black on white.
    """

    text: LabelText
    position: Position
    height: PositiveInt
    share: Annotated[float, Field(gt=0, le=1)]
    colour: Literal["white", "black"]
    plate: bool
    contrast: Annotated[float, Field(ge=1, le=21)]
