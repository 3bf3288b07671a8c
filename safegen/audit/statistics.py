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

BISECTION_STEPS = 40  # of a bracket no wider than 1 or the answer: far below any printed digit


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
    tail = error_of(confidence) / 2
    low, high = _least(successes, trials, tail), _most(successes, trials, tail)
    return Interval(value=successes / trials, low=low, high=high, confidence=confidence)


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
    tail = error_of(confidence) / 2
    check_scores(member_scores)
    check_scores(other_scores)
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
    check_scores(member_scores)
    check_scores(other_scores)
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
    tail = error_of(confidence) / 2
    tpr, fpr = _least(true_positives, members, tail), _most(false_positives, others, tail)
    return math.log(max(1.0, (tpr - delta) / fpr, (1 - fpr - delta) / (1 - tpr)))


def error_of(confidence: float) -> float:
    """How often a statement of that confidence may be wrong.

    Raises:
        DataError: the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise DataError(f"confidence is {confidence}; give one between 0 and 1, such as 0.95")
    return 1 - confidence


def check_scores(scores: Scores) -> None:
    """Refuse scores that are not numbers.

    Raises:
        DataError: there is a NaN among them.
    """
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
