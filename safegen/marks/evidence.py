"""How likely it is that a picture which does not carry a mark seems to; exact, pure.

What is random here is not the picture but the ledger: its mask is thrown by coin, so that the word
of an id agrees with each bit of a picture that knows nothing of it with probability one half. So
what is counted below holds for every such picture, flat, black, adversarial or a photograph alike,
and needs no model of pictures and no calibration. Where a picture is looked at in several
alignments, the chances of all of them are added (union bound), and so are those of all ids asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FALSE_POSITIVE_RATE = 1e-6  # after all alignments, and all ids asked
STEPS = 4096  # that the sum of a picture's certainties is counted in
WORTH_COUNTING = 0.05  # a looser bound does for what is likelier than this


def chances(logits: NDArray[np.float32], words: NDArray[np.uint8]) -> NDArray[np.float64]:
    """For each word, the chance that any alignment agrees with it as well as the best one does.

    Agreement is measured softly: a bit that is read wrongly costs as much as the extractor was sure
    of it. For each word the alignment is taken that agrees best, and the share of all words is
    counted that agree with it at least as well; the number of alignments multiplies it. Where
    Hoeffding's inequality says already that little is proved, its bound stands instead.

    Args:
        logits: (alignments, bits), float32; positive where a bit is likelier 1.
        words: (count, bits), uint8, 0 or 1.

    Returns:
        (count,), float64 in [0, 1]: p-values of "this picture knows nothing of this word".

    >>> word = np.ones((1, 64), dtype=np.uint8)
    >>> float(chances(np.ones((1, 64), dtype=np.float32), word)[0]) == 2.0**-64
    True
    """
    if not np.isfinite(logits).all():
        return np.ones(len(words))
    agreement = (2.0 * words - 1.0) @ logits.T.astype(np.float64)
    length = np.sqrt((logits.astype(np.float64) ** 2).sum(axis=1))
    scores = agreement / np.maximum(length, 1e-300)
    best = scores.argmax(axis=1)
    found = np.exp(-(np.maximum(scores.max(axis=1), 0.0) ** 2) / 2) * len(logits)  # Hoeffding
    for view in np.unique(best[found < WORTH_COUNTING]):
        these = (best == view) & (found < WORTH_COUNTING)
        found[these] = _count(logits[view], agreement[these, view]) * len(logits)
    bounded: NDArray[np.float64] = np.minimum(found, 1.0)
    return bounded


def _count(logits: NDArray[np.float32], agreement: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shares of all words that agree with the logits at least so much.

    Words are counted by what they cost, in dynamic programming over whole steps of cost, rounded
    so that the count is never too small.
    """
    certainty = np.abs(logits).astype(np.float64)
    unit = certainty.sum() / STEPS
    costs = np.floor(certainty / unit).astype(np.int64)
    limits = np.ceil((certainty.sum() - agreement) / 2 / unit).astype(np.int64).clip(0, STEPS)
    words = np.zeros(limits.max() + 1)  # words[c]: the share of words that cost c
    words[0] = 1.0
    for cost in costs:
        moved = words * 0.5
        words = moved.copy()
        if cost < len(moved):
            words[cost:] += moved[: len(moved) - cost]
    shares: NDArray[np.float64] = np.cumsum(words)[limits]
    return shares
