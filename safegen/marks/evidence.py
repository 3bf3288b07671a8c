"""How likely it is that a picture which does not carry a mark seems to; exact, pure.

What is random here is not the picture but the ledger: its mask is thrown by coin, so that the word
of an id agrees with each bit of a picture that knows nothing of it with probability one half. So
the count below holds for every such picture, flat, black, adversarial or a photograph alike, and
needs no model of pictures and no calibration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FALSE_POSITIVE_RATE = 1e-6  # after all alignments, and all ids asked
STEPS = 4096  # that the sum of a picture's certainties is counted in


def chance(logits: NDArray[np.float32], word: NDArray[np.uint8]) -> float:
    """The share of all words that agree with the logits at least as well as this one does.

    Agreement is measured softly: a bit that is read wrongly costs as much as the extractor was sure
    of it. Words that cost as much or less are counted by dynamic programming over whole steps of
    cost, rounded so that the count is never too small.

    Args:
        logits: (bits,), float32, with the ledger's mask taken off or not, as the word is.
        word: (bits,), uint8, 0 or 1.

    Returns:
        A probability: the p-value of "this picture knows nothing of this word".

    >>> word = np.ones(32, dtype=np.uint8)
    >>> chance(np.ones(32, dtype=np.float32), word) == 2.0**-32
    True
    """
    certainty = np.abs(logits).astype(np.float64)
    total = certainty.sum()
    if not np.isfinite(total) or total <= 0:
        return 1.0
    wrong = (logits > 0) != (word > 0)
    unit = total / STEPS
    costs = np.floor(certainty / unit).astype(np.int64)
    limit = int(np.ceil(certainty[wrong].sum() / unit))
    if 2 * limit >= STEPS:
        return 1.0  # half the bits or more: nothing worth counting
    words = np.zeros(limit + 1)  # words[c]: the share of words that cost c
    words[0] = 1.0
    for cost in costs:
        moved = words * 0.5
        words = moved.copy()
        words[cost:] += moved[: limit + 1 - cost] if cost <= limit else 0
    return float(words.sum())


def false_positive_bound(chance_of_one: float, *, alignments: int, ids: int) -> float:
    """The chance that any of the ids seems to be there in any of the alignments (union bound).

    >>> false_positive_bound(2.0**-64, alignments=21, ids=1000) < FALSE_POSITIVE_RATE
    True
    """
    return min(1.0, chance_of_one * alignments * ids)


def most_ids(word_bits: int, *, alignments: int) -> int:
    """How many ids may be asked about at once before even a perfect reading proves too little.

    >>> most_ids(32, alignments=21)
    204
    """
    return int(FALSE_POSITIVE_RATE * 2.0**word_bits / alignments)
