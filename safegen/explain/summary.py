"""An explanation in few words and few numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from safegen.explain.faithfulness import doubts
from safegen.schemas.canonical import digest
from safegen.schemas.explanation import Explanation, ExplanationSummary, RegionSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.schemas.explanation import AnyExplanation, FirstExplanation

NAMED = 3  # latents of a region


def summarise(explanation: Explanation) -> ExplanationSummary:
    """What of an explanation is signed into the manifest, with the digest of all of it."""
    return ExplanationSummary(
        explainer=explanation.explainer,
        method=explanation.method,
        detail=explanation.detail,
        grid=explanation.grid,
        label_share=explanation.label_share,
        top_latents=tuple(f"latent {number}" for number in explanation.top_latents),
        faithfulness=explanation.faithfulness,
        arrays=explanation.arrays.digest,
        digest=digest(explanation),
    )


def in_words(
    explanation: AnyExplanation,
    attributions: NDArray[np.float32] | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """The explanation in a few sentences, with the signs that its picture has.

    Args:
        explanation: its record.
        attributions: its numbers, (regions, latents + 1), where they are at hand.
        names: a user's, by what is named, such as `latent 3`.
    """
    leader = strongest_latents(explanation)[0]
    called = (names or {}).get(f"latent {leader}")
    named = f"latent {leader} ({called})" if called else f"latent {leader}"
    words = (
        f"Against {explanation.baseline}: of all changes of regions, whichever way they went, the "
        f"label made {label_share(explanation):.0%} and the latents the rest, {named} most "
        "of them."
    )
    if attributions is not None:
        label, latent = (moved(attributions[:, each]) for each in (-1, leader))
        words += f" The label {label}; {named} {latent}."
    words += (
        f" The attributions miss what they explain by {explanation.completeness_gap:.1%} at most."
    )
    if found := doubts(explanation):
        words += f" UNRELIABLE: {'; '.join(found)}."
    return words


def moved(column: NDArray[np.float32]) -> str:
    """What one input did, in words: signed, as a picture of it is coloured.

    Args:
        column: (regions,), what it did to each.

    >>> moved(np.array([0.25, -0.05, 0.0, 0.0], dtype=np.float32))
    'raised 1 of 4 regions (by 0.25 at most) and lowered 1 (by 0.05), on the whole +0.050'
    """
    raised, lowered = column[column > 0], column[column < 0]
    words = f"raised {len(raised)} of {len(column)} regions"
    words += f" (by {raised.max():.2f} at most)" if len(raised) else ""
    words += f" and lowered {len(lowered)}"
    words += f" (by {-lowered.min():.2f})" if len(lowered) else ""
    return f"{words}, on the whole {column.mean():+.3f}"


def label_share(explanation: AnyExplanation) -> float:
    """Share of the absolute attribution that belongs to the label, in [0, 1]."""
    if isinstance(explanation, Explanation):
        return explanation.label_share
    strengths = np.abs(attributions_of(explanation)).sum(axis=0)
    return float(strengths[-1] / (strengths.sum() or 1.0))


def strongest_latents(explanation: AnyExplanation) -> tuple[int, ...]:
    """The latents' numbers, those that moved the whole sample most first."""
    if isinstance(explanation, Explanation):
        return explanation.top_latents
    strengths = np.abs(attributions_of(explanation)).sum(axis=0)[:-1]
    return tuple(np.argsort(-strengths, kind="stable").tolist())


def attributions_of(explanation: FirstExplanation) -> NDArray[np.float32]:
    """The numbers in a record of 0.1, (regions, latents + 1): what the classes got is added up."""
    values = np.array(explanation.attributions, dtype=np.float32)
    latents = explanation.latents
    return np.hstack([values[:, :latents], values[:, latents:].sum(axis=1, keepdims=True)])


def region_rows(
    stored: NDArray[Any], modality: Modality, attributions: NDArray[np.float32]
) -> list[RegionSummary]:
    """What moved each region most, region by region.

    Args:
        stored: the output's values, (*dimensions), as its kind of data stores them.
        modality: what kind of data it is.
        attributions: (regions, latents + 1), the label last.
    """
    regions = modality.regions()
    brightness = regions.weights @ modality.to_float(stored.astype(np.float64)[None]).ravel()
    sizes = np.abs(attributions)
    shares = sizes[:, -1] / np.maximum(sizes.sum(axis=1), 1e-12)
    strongest = np.argsort(-sizes[:, :-1], axis=1, kind="stable")[:, :NAMED]
    return [
        RegionSummary(
            row=region // regions.grid.columns,
            column=region % regions.grid.columns,
            brightness=round(float(brightness[region]), 6),
            label_share=round(float(shares[region]), 6),
            top_latents=tuple(strongest[region].tolist()),
        )
        for region in range(len(attributions))
    ]
