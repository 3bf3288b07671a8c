"""Scores that say how far an explanation can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.schemas.explanation import AnyExplanation

BELIEVABLE_GAP = 0.05
COMPLETENESS_GAP = "completeness_gap"  # its name in the signed record


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


def believable(explanation: AnyExplanation) -> bool:
    """Whether the completeness gap is small enough to rely on the explanation."""
    return explanation.completeness_gap <= BELIEVABLE_GAP
