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

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from safegen.audit.one_run import one_run_bound
from safegen.records.certificate import LowerBound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

ATTACK = "one run, canaries among the units, noisy gradients of all steps seen"
CONFIDENCE = 0.95
DOUBT = 1e-3  # a p-value below this is a finding: one sound run in 1,000 has it
ROUNDS = 4000  # simulated sound runs


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
    scores: NDArray[np.float64],
    included: NDArray[np.bool_],
    delta: float,
    *,
    confidence: float = CONFIDENCE,
) -> LowerBound:
    """What guessing from the scores proves about epsilon at `delta`.

    Args:
        scores: (canaries,), float64.
        included: (canaries,), bool.
        delta: of the certificate.
        confidence: of the bound.
    """
    found = one_run_bound(
        scores, included, delta, confidence=confidence, generator=np.random.default_rng()
    )
    return LowerBound(
        epsilon=found.lower_bound,
        confidence=confidence,
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
    out, inside = scores[~included], scores[included]
    return (
        _excluded_mean(out, noise),
        _excluded_variance(out, noise),
        _included_mean(inside, noise, steps, sampling_probability),
        _included_variance(inside, noise, steps, sampling_probability),
    )


def participation(drawn: int, asked: int, probability: float) -> Comparison:
    """How many units took part beside how many should have: an exact binomial test.

    Args:
        drawn: units that took part, over all steps.
        asked: coins that were tossed: units times steps.
        probability: of taking part in a step.
    """
    found = stats.binomtest(drawn, asked, probability) if asked else None
    return Comparison(
        what="the share of units that took part in a step",
        found=drawn / max(asked, 1),
        expected=probability,
        p_value=1.0 if found is None else float(found.pvalue),
    )


def _excluded_mean(scores: Scores, noise: float) -> Comparison:
    """A z-test."""
    found = float(scores.mean())
    return Comparison(
        what="the mean score of excluded canaries",
        found=found,
        expected=0.0,
        p_value=float(2 * stats.norm.sf(abs(found) / math.sqrt(noise / len(scores)))),
    )


def _excluded_variance(scores: Scores, noise: float) -> Comparison:
    """A chi-square test, exact because these scores are Gaussian."""
    freedom = len(scores) - 1
    found = float(scores.var(ddof=1))
    ratio = freedom * found / noise
    tail = min(stats.chi2.cdf(ratio, freedom), stats.chi2.sf(ratio, freedom))
    return Comparison(
        what="the noise variance on excluded canaries",
        found=found,
        expected=noise,
        p_value=float(2 * tail),
    )


def _included_mean(scores: Scores, noise: float, steps: int, probability: float) -> Comparison:
    """How often canaries took part in all, binomial, seen through the noise: exact by summing."""
    turns = len(scores) * steps
    middle, width = turns * probability, math.sqrt(turns * probability * (1 - probability))
    count = np.arange(max(0, middle - 12 * width - 12), min(turns, middle + 12 * width + 12) + 1)
    count = np.rint(count)
    weight = stats.binom.pmf(count, turns, probability)
    above = (scores.sum() - count) / math.sqrt(noise * len(scores))
    tail = min((weight * stats.norm.sf(above)).sum(), (weight * stats.norm.cdf(above)).sum())
    return Comparison(
        what="the mean score of included canaries",
        found=float(scores.mean()),
        expected=steps * probability,
        p_value=min(1.0, float(2 * tail)),
    )


def _included_variance(scores: Scores, noise: float, steps: int, probability: float) -> Comparison:
    """Against simulated sound runs, so that the p-value is never below 2 / ROUNDS."""
    generator = np.random.default_rng(0)
    shape = (ROUNDS, len(scores))
    runs = generator.binomial(steps, probability, shape) + generator.normal(
        scale=math.sqrt(noise), size=shape
    )
    found, sound = float(scores.var(ddof=1)), runs.var(axis=1, ddof=1)
    tail = min((sound >= found).sum(), (sound <= found).sum()) + 1
    return Comparison(
        what="the score variance of included canaries",
        found=found,
        expected=noise + steps * probability * (1 - probability),
        p_value=min(1.0, float(2 * tail / (ROUNDS + 1))),
    )
