"""An explanation in few words and few numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from safegen.explain.faithfulness import believable
from safegen.schemas.canonical import digest
from safegen.schemas.explanation import Explanation, ExplanationSummary, RegionSummary

if TYPE_CHECKING:
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


def in_words(explanation: AnyExplanation) -> str:
    """The explanation as two sentences."""
    leader = strongest_latents(explanation)[0]
    doubt = "" if believable(explanation) else ", which is too much to rely on them"
    return (
        f"Against an average of all classes, the label made {label_share(explanation):.0%} of the "
        f"difference and the latents the rest, latent {leader} most of them. The attributions miss "
        f"what they explain by {explanation.completeness_gap:.1%} at most{doubt}."
    )


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
