"""One training run with canaries: what guessing which of them took part proves about epsilon.

A canary takes part by its own fair coin. If the mechanism is (epsilon, delta) private, no attack
can guess the coins much more often right than randomised response would let it; one that does
refutes that epsilon (Steinke, Nasr & Jagielski 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from safegen.audit.statistics import BISECTION_STEPS, check_scores, error_of
from safegen.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

# Of all canaries; a few sure guesses, or many unsure ones. Not all: coins never fall half and half.
GUESS_SHARES = (0.02, 0.1, 0.3, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRunBound:
    """What one training run with canaries proves.

    Attributes:
        lower_bound: epsilon is at least this, with the confidence; 0 says nothing.
        canaries: how many had a coin tossed.
        guesses: how many were guessed in the try that proves most.
        correct: how many of these guesses were right.
        confidence: of the bound, over all tries together, in (0, 1).
    """

    lower_bound: float
    canaries: int
    guesses: int
    correct: int
    confidence: float


def one_run_p_value(
    canaries: int, guesses: int, correct: int, epsilon: float, delta: float
) -> float:
    """How likely an (epsilon, delta) private run is to have so many guesses right.

    Steinke, Nasr and Jagielski 2023, theorem 5.2 and appendix D. Each canary was included by its
    own fair coin and the number of guesses was fixed beforehand. With W ~ Binomial(r, q) and
    q = e^epsilon / (1 + e^epsilon), the chance of v right ones of r is at most
    P[W >= v] + 2 m delta max_i P[v - i <= W < v] / i.

    Args:
        canaries: m, all for which a coin was tossed, guessed or not.
        guesses: r, in [0, m].
        correct: v, in [0, r].
        epsilon: at least 0; neighbours differ by adding or removing one canary.
        delta: in [0, 1).

    Returns:
        In [0, 1].

    >>> one_run_p_value(10, 10, 10, epsilon=0.0, delta=0.0) == 0.5**10
    True
    """
    if not 0 <= correct <= guesses <= canaries:
        raise DataError(
            f"{correct} right of {guesses} guesses at {canaries} canaries cannot be; count again"
        )
    if not 0 <= delta < 1:
        raise DataError(f"delta is {delta}; give one in [0, 1)")
    q = float(special.expit(epsilon))
    below = np.arange(correct, -1, -1)  # v - i, for i = 0, 1, ... v
    at_least = np.where(below == 0, 1.0, special.bdtrc(below - 1, guesses, q))
    beta = float(at_least[0])
    alpha = float(np.max((at_least[1:] - beta) / np.arange(1, correct + 1), initial=0.0))
    return min(beta + 2 * canaries * delta * alpha, 1.0)


def one_run_epsilon(
    canaries: int, guesses: int, correct: int, delta: float, *, confidence: float = 0.95
) -> float:
    """The lower bound on epsilon of one training run with canaries.

    Bisects for the epsilon at which `one_run_p_value`, which grows with it, reaches
    1 - confidence. Arguments and source are the same as there.

    Returns:
        At least 0; 0.0 when nothing can be said.

    >>> round(one_run_epsilon(1000, 1000, 1000, 1e-9), 1)
    5.8
    """
    error = error_of(confidence)

    def refuted(epsilon: float) -> bool:
        return one_run_p_value(canaries, guesses, correct, epsilon, delta) < error

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while refuted(high):
        low, high = high, 2 * high
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def guess(
    scores: Scores,
    included: NDArray[np.bool_],
    *,
    guesses_of_each: int,
    generator: np.random.Generator,
) -> tuple[int, int]:
    """Guess that the highest scores were included and the lowest were not.

    Equal scores are put in random order: the order of the canaries, which may follow their coins,
    never decides.

    Args:
        scores: (canaries,), float64, high for what looks included; no NaN.
        included: (canaries,), bool, the coins.
        guesses_of_each: how many "in" and how many "out", at most half of the canaries.
        generator: orders equal scores.

    Returns:
        How many guesses were made, and how many were right.

    >>> coins = np.array([True, True, False, False])
    >>> guess(np.array([4.0, 1, 3, 2]), coins, guesses_of_each=1,
    ...     generator=np.random.default_rng(0))
    (2, 1)
    """
    check_scores(scores)
    if scores.shape != included.shape:
        raise DataError(f"{len(scores)} scores for {len(included)} coins; give one for each")
    if not 0 <= 2 * guesses_of_each <= len(scores):
        raise DataError(f"{guesses_of_each} guesses of each kind need twice as many canaries")
    order = np.lexsort((generator.random(len(scores)), scores))
    coins = included[order]
    right_out = guesses_of_each - int(coins[:guesses_of_each].sum())
    right_in = int(coins[len(coins) - guesses_of_each :].sum())
    return 2 * guesses_of_each, right_out + right_in


def one_run_bound(
    scores: Scores,
    included: NDArray[np.bool_],
    delta: float,
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    shares: tuple[float, ...] = GUESS_SHARES,
) -> OneRunBound:
    """The best lower bound on epsilon over a few fixed numbers of guesses.

    Each of the t numbers tried may err with chance (1 - confidence) / t, so that all together err
    with at most 1 - confidence (Bonferroni); taking the best of them is then honest.

    Args:
        scores: (canaries,), float64, high for what looks included; no NaN.
        included: (canaries,), bool; each canary's own fair coin.
        delta: in [0, 1).
        generator: orders equal scores.
        confidence: in (0, 1).
        shares: of all canaries to guess, half "in" and half "out"; each in (0, 1], chosen
            without looking at the scores.

    >>> coins = np.arange(1000) % 2 == 0
    >>> found = one_run_bound(coins * 1.0, coins, 1e-9, generator=np.random.default_rng(0))
    >>> round(found.lower_bound, 1), found.guesses, found.correct
    (5.3, 900, 900)
    """
    sizes = sorted({int(share * len(scores) / 2) for share in shares} - {0})
    if not sizes:
        raise DataError(f"{len(scores)} canaries are too few to guess at; plant more")
    each = 1 - error_of(confidence) / len(sizes)
    tries = []
    for size in sizes:
        guesses, correct = guess(scores, included, guesses_of_each=size, generator=generator)
        bound = one_run_epsilon(len(scores), guesses, correct, delta, confidence=each)
        tries.append((bound, guesses, correct))
    bound, guesses, correct = max(tries)
    return OneRunBound(
        lower_bound=bound,
        canaries=len(scores),
        guesses=guesses,
        correct=correct,
        confidence=confidence,
    )
