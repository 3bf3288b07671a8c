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
from scipy import special, stats

from safegen.audit.one_run import one_run_bound
from safegen.schemas.certificate import LowerBound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

ATTACK = "one run, canaries among the units, noisy gradients of all steps seen"
CONFIDENCE = 0.95
REFUSAL_P_VALUE = 1e-3  # a p-value below this is a finding: one sound run in 1,000 has it
# Standard deviations of a binomial number, beyond which it does not get.
MAX_STANDARD_DEVIATIONS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One property of the scores beside what the plan says.

    Attributes:
        what: the property in words.
        found: measured.
        expected: by the plan.
        p_value: of so large a difference in a sound run; 0 for what is not a number, so that what
            cannot be measured is refused.
    """

    what: str
    found: float
    expected: float
    p_value: float

    def __post_init__(self) -> None:
        if math.isnan(self.found) or math.isnan(self.p_value):
            object.__setattr__(self, "p_value", 0.0)

    @property
    def sound(self) -> bool:
        """Whether a sound run explains the difference."""
        return self.p_value >= REFUSAL_P_VALUE


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
        asked: coins that were tossed: units times steps; no coins at all are not sound.
        probability: of taking part in a step.
    """
    found = stats.binomtest(drawn, asked, probability) if asked else None
    return Comparison(
        what="the share of units that took part in a step",
        found=drawn / max(asked, 1),
        expected=probability,
        p_value=0.0 if found is None else float(found.pvalue),
    )


def dispersion(
    sizes: NDArray[np.int64], units: int, probability: float, generator: np.random.Generator
) -> Comparison:
    """How much the number of units that took part varies from step to step.

    Batches of a fixed size, or shuffled ones, have the right mean and vary too little; units that
    come together vary too much. Each number's place in its binomial distribution, drawn uniformly
    within the number's own share of it, is uniform in a sound run, and normal once turned into a
    deviate (Rosenblatt 1952, Smith 1985): the squares' sum is chi-square, exactly.

    Args:
        sizes: (steps,), int64, units that took part in each.
        units: coins that were tossed in each.
        probability: of taking part.
        generator: draws the places.
    """
    number = stats.binom(units, probability)
    within = generator.random(len(sizes)) * number.pmf(sizes)
    below, above = number.cdf(sizes - 1), number.sf(sizes)
    rest = np.maximum(number.pmf(sizes) - within, 0.0)
    deviates = np.where(below < above, special.ndtri(below + within), -special.ndtri(above + rest))
    return Comparison(
        what="the variance of how many units a step drew",
        found=float(np.square(sizes - units * probability).mean()) if len(sizes) else 0.0,
        expected=units * probability * (1 - probability),
        p_value=_either_tail(float(np.square(deviates).sum()), len(sizes)),
    )


def _either_tail(squares: float, freedom: int) -> float:
    """Of a sum of squared normal deviates, two-sided; 1 where there is nothing to add up."""
    if not freedom:
        return 1.0
    tails = stats.chi2.cdf(squares, freedom), stats.chi2.sf(squares, freedom)
    return float(2 * np.min(tails))


def _excluded_mean(scores: Scores, noise: float) -> Comparison:
    """A z-test."""
    count = max(len(scores), 1)
    return Comparison(
        what="the mean score of excluded canaries",
        found=float(scores.sum()) / count,
        expected=0.0,
        p_value=float(2 * stats.norm.sf(abs(scores.sum()) / math.sqrt(noise * count))),
    )


def _excluded_variance(scores: Scores, noise: float) -> Comparison:
    """A chi-square test around the planned mean, exact because these scores are Gaussian."""
    squares = float(scores @ scores)
    return Comparison(
        what="the noise variance on excluded canaries",
        found=squares / max(len(scores), 1),
        expected=noise,
        p_value=_either_tail(squares / noise, len(scores)),
    )


def _included_mean(scores: Scores, noise: float, steps: int, probability: float) -> Comparison:
    """How often canaries took part in all, binomial, seen through the noise: exact by summing."""
    count, weight = _numbers(len(scores) * steps, probability)
    above = (scores.sum() - count) / math.sqrt(noise * max(len(scores), 1))
    tails = (weight * stats.norm.sf(above)).sum(), (weight * stats.norm.cdf(above)).sum()
    return Comparison(
        what="the mean score of included canaries",
        found=float(scores.sum()) / max(len(scores), 1),
        expected=steps * probability,
        p_value=float(np.minimum(1.0, 2 * np.min(tails))) if len(scores) else 1.0,
    )


def _included_variance(scores: Scores, noise: float, steps: int, probability: float) -> Comparison:
    """A chi-square test around the planned mean, of the scores as normal deviates: exact.

    A score's place in its distribution, a binomial number seen through the noise, is uniform in a
    sound run, and normal once turned into a deviate.
    """
    count, weight = _numbers(steps, probability)
    above = (scores[:, None] - count) / math.sqrt(noise)
    with np.errstate(divide="ignore"):  # a weight may be 0
        weights = np.log(weight)
    lower = special.logsumexp(weights + stats.norm.logcdf(above), axis=1)
    upper = special.logsumexp(weights + stats.norm.logsf(above), axis=1)
    deviates = np.where(lower < upper, special.ndtri_exp(lower), -special.ndtri_exp(upper))
    return Comparison(
        what="the score variance of included canaries",
        found=float(np.square(scores - steps * probability).sum()) / max(len(scores), 1),
        expected=noise + steps * probability * (1 - probability),
        p_value=_either_tail(float(np.square(deviates).sum()), len(scores)),
    )


def _numbers(turns: int, probability: float) -> tuple[Scores, Scores]:
    """Values of a binomial number, and the chance of each, as far as it ever gets."""
    middle, width = turns * probability, math.sqrt(turns * probability * (1 - probability))
    reach = MAX_STANDARD_DEVIATIONS * (width + 1)
    count = np.arange(max(0, math.floor(middle - reach)), min(turns, math.ceil(middle + reach)) + 1)
    return count.astype(np.float64), stats.binom.pmf(count, turns, probability)
