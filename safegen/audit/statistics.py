"""What an attack's hits prove: rates, ranks and lower bounds on epsilon, with their confidence.

A lower bound on epsilon refutes: were the mechanism (epsilon, delta) private for a smaller
epsilon, an attack would do this well with a chance of at most 1 - confidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from safegen.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

HALVINGS = 40  # of a bracket no wider than 1 or the answer: far below any printed digit
SHARES = (0.02, 0.1, 0.3, 1.0)  # of all canaries; a few sure guesses, or many unsure ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate and what it may be mistaken by.

    Attributes:
        value: the estimate.
        low: lower end.
        high: upper end.
        confidence: how often such an interval holds the truth, in (0, 1).
    """

    value: float
    low: float
    high: float
    confidence: float


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


def proportion(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """A rate and its exact interval (Clopper and Pearson 1934), equal tails.

    Args:
        successes: in [0, trials].
        trials: independent ones, at least 1.
        confidence: in (0, 1).

    >>> rate = proportion(0, 10)
    >>> rate.low, round(rate.high, 4)
    (0.0, 0.3085)
    """
    tail = _error(confidence) / 2
    low, high = _least(successes, trials, tail), _most(successes, trials, tail)
    return Interval(value=successes / trials, low=low, high=high, confidence=confidence)


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
    error = _error(confidence)

    def refuted(epsilon: float) -> bool:
        return one_run_p_value(canaries, guesses, correct, epsilon, delta) < error

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while refuted(high):
        low, high = high, 2 * high
    for _ in range(HALVINGS):
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
    _check_scores(scores)
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
    shares: tuple[float, ...] = SHARES,
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
    (5.4, 1000, 1000)
    """
    sizes = sorted({int(share * len(scores) / 2) for share in shares} - {0})
    if not sizes:
        raise DataError(f"{len(scores)} canaries are too few to guess at; plant more")
    each = 1 - _error(confidence) / len(sizes)
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


def roc_auc(member_scores: Scores, other_scores: Scores, *, confidence: float = 0.95) -> Interval:
    """How often a member scores above another record, a tie counting half.

    The variance is that of DeLong, DeLong and Clarke-Pearson 1988, and the interval symmetric in
    log odds. Where that variance vanishes, at perfect separation and where all scores tie,
    Clopper-Pearson on disjoint pairs of a member and another stands in.

    Args:
        member_scores: (members,), float64, two or more, independent; no NaN.
        other_scores: (others,), float64, likewise.
        confidence: in (0, 1).

    >>> area = roc_auc(np.array([3.0, 2, 2]), np.array([2.0, 1, 0]))
    >>> round(area.value, 3)
    0.889
    """
    tail = _error(confidence) / 2
    _check_scores(member_scores)
    _check_scores(other_scores)
    m, n = len(member_scores), len(other_scores)
    if min(m, n) < 2:
        raise DataError("an AUC needs at least two members and two others; give more records")
    of_members = _share_below(member_scores, other_scores)
    of_others = _share_below(other_scores, member_scores)
    auc = float(of_members.mean())
    variance = float(of_members.var(ddof=1) / m + of_others.var(ddof=1) / n)
    if variance == 0:
        pairs = min(m, n)
        low, high = _least(auc * pairs, pairs, tail), _most(auc * pairs, pairs, tail)
    else:
        reach = -special.ndtri(tail) * math.sqrt(variance) / (auc * (1 - auc))
        low, high = special.expit(special.logit(auc) + np.array([-reach, reach]))
    return Interval(value=auc, low=float(low), high=float(high), confidence=confidence)


def tpr_at_fpr(
    member_scores: Scores, other_scores: Scores, fpr: float, *, confidence: float = 0.95
) -> Interval:
    """Share of members found while at most a share `fpr` of the others is accused.

    Carlini et al. 2022 (LiRA). The threshold is the lowest that the others' scores allow; a record
    that ties with it is not accused. The interval is Clopper-Pearson at this threshold, and leaves
    out that the threshold is itself estimated: on all others in the world its rate is on average
    (k + 1) / (n + 1), where k = floor(fpr n) of the n given are accused.

    Args:
        member_scores: (members,), float64; no NaN.
        other_scores: (others,), float64; no NaN.
        fpr: in [0, 1).
        confidence: in (0, 1).

    >>> tpr_at_fpr(np.array([9.0, 5, 5, 1]), np.array([5.0, 4, 3, 2]), 0.1).value
    0.25
    """
    _check_scores(member_scores)
    _check_scores(other_scores)
    if not (0 <= fpr < 1 and len(other_scores)):
        raise DataError(f"no threshold has a false positive rate of {fpr}; give others, and a rate")
    allowed = math.floor(fpr * len(other_scores))
    threshold = np.sort(other_scores)[len(other_scores) - 1 - allowed]
    found = int((member_scores > threshold).sum())
    return proportion(found, len(member_scores), confidence=confidence)


def epsilon_from_rates(
    true_positives: int,
    members: int,
    false_positives: int,
    others: int,
    delta: float,
    *,
    confidence: float = 0.95,
) -> float:
    """The lower bound on epsilon that an attack's two rates give.

    Privacy is TPR <= e^epsilon FPR + delta, for accusing and, with neighbours swapped, for not
    accusing: 1 - FPR <= e^epsilon (1 - TPR) + delta. As Jagielski et al. 2020 and Nasr et al. 2021
    do, put Clopper-Pearson bounds in: a lower one on TPR and an upper one on FPR, each wrong with
    a chance of (1 - confidence) / 2, serve both.

    Args:
        true_positives: members accused, by a rule fixed on other records.
        members: independent trials with the record, at least 1.
        false_positives: others accused.
        others: independent trials without the record, at least 1.
        delta: in [0, 1).
        confidence: in (0, 1).

    Returns:
        At least 0; 0.0 when nothing can be said.

    >>> round(epsilon_from_rates(100, 100, 0, 100, 1e-5), 2)
    3.28
    """
    if not 0 <= delta < 1:
        raise DataError(f"delta is {delta}; give one in [0, 1)")
    tail = _error(confidence) / 2
    tpr, fpr = _least(true_positives, members, tail), _most(false_positives, others, tail)
    return math.log(max(1.0, (tpr - delta) / fpr, (1 - fpr - delta) / (1 - tpr)))


def _error(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise DataError(f"confidence is {confidence}; give one between 0 and 1, such as 0.95")
    return 1 - confidence


def _check_scores(scores: Scores) -> None:
    if np.isnan(scores).any():
        raise DataError("some scores are not numbers; the attack that made them has failed")


def _least(successes: float, trials: int, tail: float) -> float:
    """Clopper-Pearson's lower end, wrong with a chance of at most `tail`."""
    if not (0 <= successes <= trials and trials):
        raise DataError(f"{successes} of {trials} is no rate; count at least one trial")
    return float(special.betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0


def _most(successes: float, trials: int, tail: float) -> float:
    """Clopper-Pearson's upper end: the least rate of failures, turned round."""
    return 1 - _least(trials - successes, trials, tail)


def _share_below(scores: Scores, reference: Scores) -> Scores:
    """For each score the share of `reference` below it, ties counting half: its placement."""
    ordered = np.sort(reference)
    ranks = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return ranks / (2.0 * len(reference))
