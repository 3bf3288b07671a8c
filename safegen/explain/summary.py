"""An explanation in few words and few numbers."""

from __future__ import annotations

from collections import Counter

from safegen.explain.faithfulness import believable
from safegen.schemas.canonical import digest
from safegen.schemas.explanation import Explanation, ExplanationSummary

TOP = 5


def summarise(explanation: Explanation) -> ExplanationSummary:
    """What of an explanation is signed into the manifest, with the digest of all of it."""
    inputs = _strengths(explanation)
    return ExplanationSummary(
        method=explanation.method,
        grid=explanation.grid,
        label_share=round(sum(inputs[explanation.latents :]) / (sum(inputs) or 1.0), 6),
        top_latents=tuple(f"latent {number}" for number in strongest_latents(explanation)[:TOP]),
        completeness_gap=explanation.completeness_gap,
        digest=digest(explanation),
    )


def in_words(explanation: Explanation) -> str:
    """The explanation as two sentences."""
    summary = summarise(explanation)
    often = Counter(region.top_latents[0] for region in explanation.regions)
    leader, regions = often.most_common(1)[0]
    doubt = "" if believable(explanation) else ", which is too much to rely on them"
    return (
        f"Against an average of all classes, the label made {summary.label_share:.0%} of the "
        f"difference and the latents the rest, latent {leader} most in {regions} of "
        f"{len(explanation.regions)} regions. The attributions miss what they explain by "
        f"{summary.completeness_gap:.1%} at most{doubt}."
    )


def strongest_latents(explanation: Explanation) -> list[int]:
    """The latents' numbers, those that moved the whole picture most first."""
    strengths = _strengths(explanation)
    return sorted(range(explanation.latents), key=strengths.__getitem__, reverse=True)


def _strengths(explanation: Explanation) -> list[float]:
    """Each input's absolute attributions, summed over the regions."""
    return [sum(map(abs, column)) for column in zip(*explanation.attributions, strict=True)]
