"""The page of a test of marks: what survives, and how marked pictures look."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.marks.trial import as_picture, core_means
from safegen.report.evaluation import percent
from safegen.report.page import inline, pages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.marks.trial import Trial

SHOWN = 6  # pictures on the page
MAGNIFIED = 8  # times, the differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One picture on the page, as addresses of itself.

    Attributes:
        original: without its mark.
        marked: with it.
        difference: of both, magnified, around middle grey.
    """

    original: str
    marked: str
    difference: str


def render(trial: Trial) -> str:
    """The page, with its pictures inside; it loads nothing from anywhere."""
    environment = pages()
    environment.filters["percent"] = percent
    payload, found = core_means(trial.report)
    return environment.get_template("marks.html.j2").render(
        report=trial.report,
        payload=payload,
        found=found,
        magnified=MAGNIFIED,
        pictures=[_shown(*pair) for pair in zip(trial.originals, trial.marked, strict=True)][
            :SHOWN
        ],
    )


def _shown(original: NDArray[np.uint8], marked: NDArray[np.uint8]) -> Shown:
    change = marked.astype(np.float64) - original
    difference = np.clip(128 + MAGNIFIED * change, 0, 255).astype(np.uint8)
    return Shown(original=_png(original), marked=_png(marked), difference=_png(difference))


def _png(pixels: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    as_picture(pixels).save(file, "PNG")
    return inline(file.getvalue())
