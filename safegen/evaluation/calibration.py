"""How far a classifier's probabilities can be believed.

The expected calibration error (Naeini et al. 2015; Guo et al. 2017) sorts predictions into bins of
like confidence and averages, weighted by their number, how far confidence and accuracy differ. By
class it is Kull et al. 2019's (classwise-ECE), which Nixon et al. 2019 call static: it looks at the
probability of one class on all records, not only where that class is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from safegen.schemas.evaluation import Bin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Probabilities = NDArray[np.float64]
    Labels = NDArray[np.int64]

CALIBRATION_BINS = 15  # of equal width, as Guo et al. 2017


def calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Of the class that is named.

    Args:
        probabilities: (n, classes), float64; each row sums to 1.
        labels: (n,), int64.

    >>> sure = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> calibration_error(sure, np.array([0, 1]))
    0.5
    """
    return _error(probabilities.max(1), probabilities.argmax(1) == labels)


def calibration_by_class(probabilities: Probabilities, labels: Labels) -> list[float]:
    """Of each class's own probability, over all records."""
    return [_error(column, labels == label) for label, column in enumerate(probabilities.T)]


def reliability(probabilities: Probabilities, labels: Labels) -> tuple[Bin, ...]:
    """Confidence beside accuracy in each bin that has predictions."""
    counts, confidences, hits = _binned(probabilities.max(1), probabilities.argmax(1) == labels)
    return tuple(
        Bin(
            confidence=min(1.0, confidence / count), accuracy=hit / count, share=count / len(labels)
        )
        for count, confidence, hit in zip(
            counts.tolist(), confidences.tolist(), hits.tolist(), strict=True
        )
        if count
    )


def _error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    _, confidences, hits = _binned(confidence, right)
    return float(np.abs(confidences - hits).sum() / len(confidence))


def _binned(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Sums over each bin: of ones, of confidences, of hits."""
    places = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    ones, found = np.ones(len(confidence)), right.astype(np.float64)
    counts, confidences, hits = (
        np.bincount(places, weights=each, minlength=CALIBRATION_BINS).astype(np.float64)
        for each in (ones, confidence, found)
    )
    return counts, confidences, hits
