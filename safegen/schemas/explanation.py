"""Which inputs of a generator made what in an output, and how far that can be believed.

The full record, with every attribution, travels in the receipt; the signed manifest carries the
summary and the full record's digest (`org.safegen.explanation`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeFloat, PositiveInt

from safegen.schemas.canonical import Record


def _with_completeness(scores: dict[str, float]) -> dict[str, float]:
    if scores.get("completeness_gap", -1) < 0:
        raise ValueError("an explanation says its completeness_gap, which is 0 or more")
    return scores


Scores = Annotated[dict[str, float], AfterValidator(_with_completeness)]


class Grid(Record):
    """How a picture is divided. By name, because C2PA readers show number arrays as base64.

    Attributes:
        rows: from top to bottom.
        columns: from left to right.
    """

    rows: PositiveInt
    columns: PositiveInt


class RegionSummary(Record):
    """What moved one region's brightness most.

    Attributes:
        row: from the top, 0-based.
        column: from the left, 0-based.
        brightness: mean of the region in the output, in [0, 1].
        label_share: share of the absolute attribution that belongs to the label, in [0, 1].
        top_latents: numbers of the latents that moved it most, strongest first.
    """

    row: int
    column: int
    brightness: float
    label_share: float
    top_latents: tuple[int, ...]


class _Explained(Record):
    """What explanations of every version say."""

    format: str
    method: str
    baseline: str
    grid: Grid
    regions: tuple[RegionSummary, ...]
    attributions: tuple[tuple[float, ...], ...]
    latents: PositiveInt


class FirstExplanation(_Explained):
    """As version 0.1 wrote it: always integrated gradients, with one score.

    Attributes:
        integration_steps: points on the path from baseline to input.
        completeness_gap: as in `Explanation.faithfulness`.
    """

    format: Literal["safegen.explanation/1"] = "safegen.explanation/1"
    integration_steps: PositiveInt
    completeness_gap: NonNegativeFloat


class Explanation(_Explained):
    """Attributions from (latent noise, label) to the brightness of a grid of regions.

    Attributes:
        explainer: the method's name, by which it can be asked for again.
        method: what it computed, and by which implementation.
        settings: numbers that it was run with, by name.
        baseline: what the attributions are measured against, in words.
        grid: of regions.
        regions: one summary a region, row by row.
        attributions: (regions, latents + classes); latents first, then label inputs.
        latents: how many of the columns are latents.
        faithfulness: scores by name. Always `completeness_gap`: the largest |sum of attributions -
            change of brightness| over the regions, relative to the largest change (Sundararajan et
            al. 2017, axiom of completeness); 0 is exact, and above 0.05 an explanation should not
            be relied on.
    """

    format: Literal["safegen.explanation/2"] = "safegen.explanation/2"
    explainer: str
    settings: dict[str, float]
    faithfulness: Scores

    @property
    def completeness_gap(self) -> float:
        """How far the attributions are from adding up; 0 is exact."""
        return self.faithfulness["completeness_gap"]


AnyExplanation = FirstExplanation | Explanation


class FirstExplanationSummary(Record):
    """What version 0.1 signed into the manifest.

    Attributes:
        method: the attribution method and its implementation.
        grid: of the regions that were explained.
        label_share: share of the absolute attribution that belongs to the label, in [0, 1].
        top_latents: the latents that moved the picture most, strongest first.
        completeness_gap: as in the whole explanation; 0 is exact.
        digest: of the whole explanation, which the receipt holds.
    """

    method: str
    grid: Grid
    label_share: float
    top_latents: tuple[str, ...]
    completeness_gap: NonNegativeFloat
    digest: str


class ExplanationSummary(Record):
    """What of an Explanation is signed into the manifest; inputs are named, as `latent 3`.

    Attributes:
        explainer: the method's name, by which it can be asked for again.
        method: what it computed, and by which implementation.
        grid: of the regions that were explained.
        label_share: share of the absolute attribution that belongs to the label, in [0, 1].
        top_latents: the latents that moved the picture most, strongest first.
        faithfulness: scores by name, as in the whole explanation; always `completeness_gap`.
        digest: of the whole explanation, which the receipt holds.
    """

    explainer: str
    method: str
    grid: Grid
    label_share: float
    top_latents: tuple[str, ...]
    faithfulness: Scores
    digest: str
