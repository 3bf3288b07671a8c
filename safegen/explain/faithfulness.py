"""How far an explanation can be believed: what its scores are, and where doubt begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.schemas.explanation import BELIEVABLE_GAP

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.schemas.explanation import AnyExplanation

COMPLETENESS_GAP = "completeness_gap"  # its name in the signed record
EFFECT_NAME = "effect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where a score begins to say that an explanation cannot be relied on.

    Attributes:
        least: the score may not be below this.
        most: nor above that.
        doubt: what is wrong then, as a clause; the score goes where the braces are.
    """

    least: float = -float("inf")
    most: float = float("inf")
    doubt: str

    def is_kept(self, score: float) -> bool:
        """Whether a score gives no reason to doubt."""
        return self.least <= score <= self.most


SCORE_BOUNDS = {
    COMPLETENESS_GAP: Bound(most=BELIEVABLE_GAP, doubt="they miss what they explain by {:.1%}"),
    EFFECT_NAME: Bound(
        least=0.02,
        doubt="no region changes by more than {:.3f}, as of a generator that learnt nothing",
    ),
    "rank_correlation": Bound(
        least=0.7, doubt="they rank inputs as ablation does by a correlation of {:.2f} alone"
    ),
    "infidelity": Bound(
        most=0.5, doubt="they tell subsets of inputs apart with a relative error of {:.2f}"
    ),
    "max_sensitivity": Bound(
        most=0.5, doubt="a change of the latents that nobody sees changes them by {:.0%}"
    ),
    "deletion": Bound(least=0.0, doubt="deleting in their order does no more than chance ({:.2f})"),
    "insertion": Bound(
        least=0.0, doubt="inserting in their order does no more than chance ({:.2f})"
    ),
    "stability": Bound(most=0.5, doubt="another seed, or more points, change them by {:.0%}"),
}


def completeness_gaps(attributions: Tensor, changes: Tensor) -> Tensor:
    """How far attributions are from adding up to what they explain.

    The axiom of completeness (Sundararajan et al. 2017, proposition 1) asks that the attributions
    of a region sum to the change of its brightness from baseline to input; numerical integration
    leaves a gap.

    Args:
        attributions: (n, regions, inputs), float32.
        changes: (n, regions), float32, brightness at the input minus at the baseline.

    Returns:
        (n,), float32: the largest gap of a sample over its largest change; 0 is exact.
    """
    gaps = (attributions.sum(dim=2) - changes).abs().amax(dim=1)
    return gaps / changes.abs().amax(dim=1).clamp(min=1e-6)


def effects(changes: Tensor) -> Tensor:
    """How much there is to explain: the largest change of a region, (n,), of changes (n, regions).

    Scores that are ratios are best where nothing happens: a generator that learnt nothing is almost
    linear, and its explanation complete, faithful and steady, of next to nothing.
    """
    return changes.abs().amax(dim=1)


def doubts(explanation: AnyExplanation) -> tuple[str, ...]:
    """Why an explanation should not be relied on, in clauses; none where its scores are good."""
    scores = getattr(explanation, "faithfulness", None)
    if scores is None:
        scores = {COMPLETENESS_GAP: explanation.completeness_gap}
    return tuple(
        bound.doubt.format(scores[name])
        for name, bound in SCORE_BOUNDS.items()
        if name in scores and not bound.is_kept(scores[name])
    )


def believable(explanation: AnyExplanation) -> bool:
    """Whether no score gives a reason not to rely on the explanation."""
    return not doubts(explanation)
