"""The page of an evaluation: what the generator is good for, and how that was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safegen.report.page import inline, pages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.pipeline.evaluate import Evaluation
    from safegen.schemas.evaluation import Bin

MIN_BIN_SHARE = 0.01  # of predictions in a bin that a curve goes through
MAX_CLASSES = 20  # in a confusion matrix that can still be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One class on the page.

    Attributes:
        name: of the class.
        shown: addresses of its released samples.
        real: addresses of its public records.
    """

    name: str
    shown: tuple[str, ...]
    real: tuple[str, ...]


def render(evaluation: Evaluation) -> str:
    """The page, with its pictures inside; it loads nothing from anywhere.

    Samples keep their manifests, so that one saved from the page can still be verified. Records
    are shown only of public data.
    """
    environment = pages()
    environment.filters["percent"] = percent
    environment.filters["points"] = _points
    return environment.get_template("evaluation.html.j2").render(
        report=evaluation.report,
        rows=_rows(evaluation),
        withheld=evaluation.withheld,
        most_classes=MAX_CLASSES,
    )


def percent(share: float, digits: int = 1) -> str:
    """A share as people read it.

    >>> percent(0.98528)
    '98.5%'
    """
    return f"{100 * share:.{digits}f}%"


def _points(bins: tuple[Bin, ...]) -> str:
    """A reliability curve in a square of 100 by 100, upwards, through the bins that matter."""
    return " ".join(
        f"{100 * each.confidence:.1f},{100 - 100 * each.accuracy:.1f}"
        for each in bins
        if each.share >= MIN_BIN_SHARE
    )


def _rows(evaluation: Evaluation) -> tuple[Row, ...]:
    """Samples and records class by class; both come one of each class in turn.

    What a browser cannot show is shown by the picture of its explanation.
    """
    classes = evaluation.classes
    seen = evaluation.modality.mime.startswith("image/")
    shown = [inline(output.data if seen else output.figure or b"") for output in evaluation.shown]
    real = () if evaluation.real is None or not seen else evaluation.real
    records = [inline(_encoded(each, evaluation.modality)) for each in real]
    return tuple(
        Row(
            name=name,
            shown=tuple(shown[place :: len(classes)]),
            real=tuple(records[place :: len(classes)]),
        )
        for place, name in enumerate(classes)
        if place < max(len(shown), len(records))
    )


def _encoded(stored: NDArray[Any], modality: Modality) -> bytes:
    """A record's file."""
    return modality.encode(modality.to_float(stored))
