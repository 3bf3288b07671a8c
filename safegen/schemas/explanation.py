"""Which inputs of a generator made what in an output, and how far that can be believed.

The record travels in the receipt, and every attribution in a safetensors file beside the outputs;
the signed manifest carries the summary and the digests of both (`org.safegen.explanation`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeFloat, NonNegativeInt, PositiveInt

from safegen.schemas.canonical import Record

BELIEVABLE_GAP = 0.05  # of completeness; an explanation that misses more should not be relied on


def _with_completeness(scores: dict[str, float]) -> dict[str, float]:
    if scores.get("completeness_gap", -1) < 0:
        raise ValueError("an explanation says its completeness_gap, which is 0 or more")
    return scores


Detail = Literal["summary", "full"]
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


class FirstExplanation(Record):
    """As version 0.1 wrote it: always integrated gradients, with all numbers inside.

    Attributes:
        method: the attribution method and its implementation.
        integration_steps: points on the path from baseline to input.
        baseline: what the attributions are measured against, in words.
        grid: of regions.
        regions: one summary a region, row by row.
        attributions: (regions, latents + classes); latents first, then label inputs.
        latents: how many of the columns are latents.
        completeness_gap: as in `Explanation.faithfulness`.
    """

    format: Literal["safegen.explanation/1"] = "safegen.explanation/1"
    method: str
    integration_steps: PositiveInt
    baseline: str
    grid: Grid
    regions: tuple[RegionSummary, ...]
    attributions: tuple[tuple[float, ...], ...]
    latents: PositiveInt
    completeness_gap: NonNegativeFloat


class Arrays(Record):
    """Where the numbers of an explanation lie: a row of a safetensors file beside the output.

    Attributes:
        file: its name, in `explanations/`.
        row: of its tensor `attributions`, (outputs, regions, latents + 1), float32.
        digest: of that row's bytes, little endian.
    """

    file: str
    row: NonNegativeInt
    digest: str


class Explanation(Record):
    """Attributions from (latent noise, label) to the brightness of a grid of regions.

    Attributes:
        explainer: the method's name, by which it can be asked for again.
        method: what it computed, and by which implementation.
        settings: numbers that it was run with, by name.
        detail: `full` where a signed picture of it lies beside the output, too.
        baseline: what the attributions are measured against, in words.
        grid: of regions.
        latents: how many inputs are latents; the last input is the label.
        label_share: share of the absolute attribution that belongs to the label, in [0, 1].
        top_latents: numbers of the latents that moved the whole most, strongest first.
        faithfulness: scores by name. Always `completeness_gap`: the largest |sum of attributions -
            change of brightness| over the regions, relative to the largest change (Sundararajan et
            al. 2017, axiom of completeness); 0 is exact, and above 0.05 an explanation should not
            be relied on.
        arrays: where all attributions lie.
    """

    format: Literal["safegen.explanation/2"] = "safegen.explanation/2"
    explainer: str
    method: str
    settings: dict[str, float]
    detail: Detail
    baseline: str
    grid: Grid
    latents: PositiveInt
    label_share: float
    top_latents: tuple[int, ...]
    faithfulness: Scores
    arrays: Arrays

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
        detail: `full` where a signed picture of it lies beside the output, else `summary`.
        grid: of the regions that were explained.
        label_share: share of the absolute attribution that belongs to the label, in [0, 1].
        top_latents: the latents that moved the picture most, strongest first.
        faithfulness: scores by name, as in the whole explanation; always `completeness_gap`.
        arrays: digest of all attributions: regions by inputs, float32, little endian.
        digest: of the whole explanation, which the receipt holds.
    """

    explainer: str
    method: str
    detail: Detail
    grid: Grid
    label_share: float
    top_latents: tuple[str, ...]
    faithfulness: Scores
    arrays: str
    digest: str
