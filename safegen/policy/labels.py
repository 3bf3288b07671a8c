"""The visible label that a policy asks for: how it is drawn, and the rule that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import PolicyError
from safegen.schemas.label import DEFAULT_CONTRAST, DEFAULT_TEXT, LabelDocument

if TYPE_CHECKING:
    from collections.abc import Iterable

LABEL_RULE = "visible-label"


def least_contrast(label: LabelDocument) -> float:
    """Of its letters against what lies beneath."""
    return DEFAULT_CONTRAST if label.contrast is None else label.contrast


def label_condition(label: LabelDocument) -> str:
    """What must be true of an output, in CEL."""
    return f"marks.label && marks.label_contrast >= {least_contrast(label)!r}"


def label_reason(label: LabelDocument) -> str:
    """The same for people.

    >>> label_reason(LabelDocument())
    'Every output shows the label AI, with a contrast of 4.5 or more.'
    """
    text = label.text or DEFAULT_TEXT
    return (
        f"Every output shows the label {text}, with a contrast of {least_contrast(label)} or more."
    )


def one_label(labels: Iterable[LabelDocument | None]) -> LabelDocument | None:
    """What several policies ask for as one: the largest, with the most contrast.

    Raises:
        PolicyError: they ask for two texts, or for two places.
    """
    given = [each for each in labels if each is not None]
    if not given:
        return None
    for what in ("text", "position"):
        wanted = sorted({getattr(each, what) for each in given} - {None})
        if len(wanted) > 1:
            raise PolicyError(
                f"two policies ask for labels with another {what}, {wanted[0]!r} and "
                f"{wanted[1]!r}; a picture shows one: leave it out in one of them"
            )
    shares = [each.share for each in given if each.share is not None]
    return LabelDocument(
        text=next((each.text for each in given if each.text), None),
        position=next((each.position for each in given if each.position), None),
        share=max(shares, default=None),
        contrast=max(least_contrast(each) for each in given),
    )
