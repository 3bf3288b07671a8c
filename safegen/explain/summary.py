"""An explanation in few words and few numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from safegen.explain.faithfulness import believable
from safegen.schemas.canonical import digest
from safegen.schemas.explanation import ExplanationSummary

if TYPE_CHECKING:
    from safegen.schemas.explanation import AnyExplanation, Explanation

TOP = 5


def summarise(explanation: Explanation) -> ExplanationSummary:
    """What of an explanation is signed into the manifest, with the digest of all of it."""
    return ExplanationSummary(
        explainer=explanation.explainer,
        method=explanation.method,
        grid=explanation.grid,
        label_share=label_share(explanation),
        top_latents=tuple(f"latent {number}" for number in strongest_latents(explanation)[:TOP]),
        faithfulness=explanation.faithfulness,
        digest=digest(explanation),
    )


def in_words(explanation: AnyExplanation) -> str:
    """The explanation as two sentences."""
    often = Counter(region.top_latents[0] for region in explanation.regions)
    leader, regions = often.most_common(1)[0]
    doubt = "" if believable(explanation) else ", which is too much to rely on them"
    return (
        f"Against an average of all classes, the label made {label_share(explanation):.0%} of the "
        f"difference and the latents the rest, latent {leader} most in {regions} of "
        f"{len(explanation.regions)} regions. The attributions miss what they explain by "
        f"{explanation.completeness_gap:.1%} at most{doubt}."
    )


def label_share(explanation: AnyExplanation) -> float:
    """Share of the absolute attribution that belongs to the label, in [0, 1]."""
    strengths = _strengths(explanation)
    return round(sum(strengths[explanation.latents :]) / (sum(strengths) or 1.0), 6)


def strongest_latents(explanation: AnyExplanation) -> list[int]:
    """The latents' numbers, those that moved the whole picture most first."""
    strengths = _strengths(explanation)
    return sorted(range(explanation.latents), key=strengths.__getitem__, reverse=True)


def _strengths(explanation: AnyExplanation) -> list[float]:
    """Each input's absolute attributions, summed over the regions."""
    return [sum(map(abs, column)) for column in zip(*explanation.attributions, strict=True)]
