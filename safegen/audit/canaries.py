"""What a run's canaries tell: a lower bound on epsilon, and whether the noise was as planned.

A canary that takes part in a step adds its clipped gradient, of norm C, to one number of the sum;
one that is not among the units adds nothing. After T steps with sampling probability q and noise
deviation s (in units of C), scores are therefore distributed as

    excluded   Normal(0, T s^2)
    included   Binomial(T, q) + Normal(0, T s^2)

An attack that guesses from the scores who was included gives the lower bound. Comparing the scores
with these distributions tells whether noise, clipping, sampling and the count of steps were those
that the certificate states, far more sharply than any attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from safegen.audit.statistics import one_run_bound
from safegen.records.certificate import LowerBound

if TYPE_CHECKING:
    from numpy.typing import NDArray

ATTACK = "one run, canaries among the units, noisy gradients of all steps seen"
CONFIDENCE = 0.95
DOUBT = 1e-4  # a p-value below this is a finding: one sound run in 10,000 has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One property of the scores beside what the plan says.

    Attributes:
        what: the property in words.
        found: measured.
        expected: by the plan.
        p_value: of so large a difference in a sound run.
    """

    what: str
    found: float
    expected: float
    p_value: float

    @property
    def sound(self) -> bool:
        """Whether a sound run explains the difference."""
        return self.p_value >= DOUBT


def lower_bound(
    scores: NDArray[np.float64], included: NDArray[np.bool_], delta: float
) -> LowerBound:
    """What guessing from the scores proves about epsilon at `delta`.

    Args:
        scores: (canaries,), float64.
        included: (canaries,), bool.
        delta: of the certificate.
    """
    found = one_run_bound(
        scores, included, delta, confidence=CONFIDENCE, generator=np.random.default_rng()
    )
    return LowerBound(
        epsilon=found.lower_bound,
        confidence=CONFIDENCE,
        attack=ATTACK,
        canaries=len(scores),
        guesses=found.guesses,
        correct=found.correct,
    )


def compare(
    scores: NDArray[np.float64],
    included: NDArray[np.bool_],
    *,
    steps: int,
    sampling_probability: float,
    deviation: float,
) -> tuple[Comparison, ...]:
    """The scores beside their distribution in a sound run.

    Args:
        scores: (canaries,), float64, in units of the clipping norm.
        included: (canaries,), bool.
        steps: how many ran.
        sampling_probability: of a unit in a step.
        deviation: of the noise in a step, in units of the clipping norm.
    """
    noise = steps * deviation**2
    turns = steps * sampling_probability * (1 - sampling_probability)
    out, inside = scores[~included], scores[included]
    return (
        _mean("mean score of excluded canaries", out, 0.0, noise),
        _variance("noise variance on excluded canaries", out, noise),
        _mean(
            "mean score of included canaries", inside, steps * sampling_probability, noise + turns
        ),
        _variance("score variance of included canaries", inside, noise + turns),
    )


def _mean(what: str, values: NDArray[np.float64], expected: float, variance: float) -> Comparison:
    """A z-test."""
    found = float(values.mean())
    z = (found - expected) / np.sqrt(variance / len(values))
    return Comparison(
        what=what, found=found, expected=expected, p_value=float(2 * stats.norm.sf(abs(z)))
    )


def _variance(what: str, values: NDArray[np.float64], expected: float) -> Comparison:
    """A chi-square test of a variance; nearly exact, because the noise is Gaussian."""
    freedom = len(values) - 1
    found = float(values.var(ddof=1))
    ratio = freedom * found / expected
    tail = min(stats.chi2.cdf(ratio, freedom), stats.chi2.sf(ratio, freedom))
    return Comparison(what=what, found=found, expected=expected, p_value=float(2 * tail))
