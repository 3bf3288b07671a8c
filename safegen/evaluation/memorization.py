"""Are synthetic pictures nearer to the records that were trained on than to others like them?

As many held-out records stand beside some of the training records, and every synthetic picture
looks for its nearest among both. A generator that copied nothing finds a training record half of
the time, if both kinds come from one population. Splits of a benchmark often do not, so further
training records, in neither set, look for their nearest too: what they find is the control, and
only what exceeds it speaks of copying.

Pictures that find the same record do not count as independent. Were every record's place, among
the training ones or the held-out ones, a coin, then a share would be a sum over records of how
often each is found, and its variance a quarter of the sum of squares. Intervals and the p-value
rest on that; a generator that repeats one single record may do so by chance, and proves nothing.

Distance misses much leakage (Yao et al. 2025, "The DCR delusion"): `safegen audit` attacks harder.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from safegen.audit.canaries import CONFIDENCE, REFUSAL_P_VALUE
from safegen.audit.membership import components
from safegen.errors import DataError
from safegen.schemas.audit import Rate
from safegen.schemas.evaluation import Neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pictures = NDArray[np.uint8]
    Points = NDArray[np.float32]
    Numbers = NDArray[np.float64]

MIN_RECORDS = 20  # fewer prove nothing


def nearest_records(
    synthetic: Pictures,
    training: Pictures,
    held_out: Pictures,
    control: Pictures | None,
    *,
    seed: int = 0,
) -> Neighbours:
    """Ask every synthetic picture, and every control record, for its nearest record.

    Args:
        synthetic: (samples, channels, height, width), uint8.
        training: (records, ...), uint8.
        held_out: (records, ...), uint8, as many.
        control: training records in neither, uint8; None for none.
        seed: of the projection of pictures onto their principal components.

    Raises:
        DataError: the records are too few, or not as many of both.
    """
    if len(training) != len(held_out) or len(training) < MIN_RECORDS:
        raise DataError(
            f"{len(training)} training and {len(held_out)} held-out records cannot be compared; "
            f"give as many of both, and at least {MIN_RECORDS}"
        )
    asked = synthetic if control is None else np.concatenate([synthetic, control])
    projected = components(synthetic, training, held_out, asked, seed=seed)
    _, inside, outside, points = projected
    (to_training, first), (to_held_out, second) = (
        _nearest(points, records) for records in (inside, outside)
    )
    wins = np.where(to_training == to_held_out, 0.5, to_training < to_held_out)
    found = np.where(wins > 0, first, len(inside) + second)
    samples, records = len(synthetic), 2 * len(training)
    weights = _weights(found[:samples], records)
    share, expected, control_rate = float(wins[:samples].mean()), 0.5, None
    excess = weights
    if control is not None:
        others = _weights(found[samples:], records)
        expected, excess = float(wins[samples:].mean()), weights - others
        control_rate = _rate(expected, others)
    p_value = float(stats.norm.sf((share - expected) / max(_deviation(excess), 1e-12)))
    pixels = math.sqrt(math.prod(synthetic.shape[1:]))
    return Neighbours(
        samples=samples,
        records=len(training),
        nearer=_rate(share, weights),
        control=control_rate,
        p_value=p_value,
        confidence=CONFIDENCE,
        to_training=float(np.median(to_training[:samples])) / pixels,
        to_held_out=float(np.median(to_held_out[:samples])) / pixels,
        copies=p_value < REFUSAL_P_VALUE,
    )


def _nearest(points: Points, records: Points) -> tuple[Numbers, NDArray[np.int64]]:
    """Distance of each point to its nearest record, and which that is."""
    from sklearn.metrics import pairwise_distances_argmin_min

    places, distances = pairwise_distances_argmin_min(points, records)
    return distances.astype(np.float64), places.astype(np.int64)


def _weights(found: NDArray[np.int64], records: int) -> Numbers:
    """(records,), float64: the share of those asked that found each."""
    return np.bincount(found, minlength=records) / len(found)


def _deviation(weights: Numbers) -> float:
    """Of a sum of these weights, each taken or not by a fair coin."""
    return float(np.sqrt(np.square(weights).sum()) / 2)


def _rate(share: float, weights: Numbers) -> Rate:
    reach = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * _deviation(weights)
    return Rate(value=share, low=max(0.0, share - reach), high=min(1.0, share + reach))
