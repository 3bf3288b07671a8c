"""From records to the sum that a step adds noise to: whatever a batch is made of on the way.

Made-up records go through the whole way, and one unit is taken out before it. Two things are asked:

    reach    the sum moves by at most the clipping norm and the margin.
    mixing   it moves by what that unit adds when it is there alone, so that it changes nothing
             that others add: not their brightness, their mean, nor their share.

A unit is taken out in both ways in which it can be missing: it leaves no row, or an empty one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from safegen.audit.canaries import Comparison
from safegen.privacy.mechanism.sampling import ABSENT_ROW
from safegen.privacy.mechanism.sealed import PrivateRecords

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.audit.made_up import MadeUp
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.mechanism.engine import PrivateEngine

    Numbers = NDArray[np.int64]

LOSS_SCALES = (1.0, 100.0)  # times the network's own losses


class Summing(Protocol):
    """What can go the way of a step without its noise.

    Attributes:
        engine: of the step.
    """

    engine: PrivateEngine

    def summed(self, records: PrivateRecords, rows: Numbers, *, loudness: float = 1.0) -> Tensor:
        """The clipped sum of some records, (d,), float64; rows that are `ABSENT_ROW` are empty."""
        ...


def measure_step(
    training: Summing, plan: PrivacyPlan, made: MadeUp, loudness: tuple[float, ...] = LOSS_SCALES
) -> tuple[Comparison, Comparison]:
    """Take the last unit out, and look at the sum.

    Args:
        training: networks that are thrown away afterwards.
        plan: its clipping norm and records of a unit hold.
        made: records; the last unit is the odd one.
        loudness: by what losses are multiplied, one after the other.
    """
    records = PrivateRecords(
        made.samples, made.labels, made.groups, to_float=lambda samples: samples
    )
    rows = _rows(made, plan.records_per_unit)
    last = np.zeros(len(rows), dtype=bool)
    last[-plan.records_per_unit :] = True
    reach, mixing = 0.0, 0.0
    for factor in loudness:
        whole, less, emptied, alone, nobody = (
            training.summed(records, chosen, loudness=factor)
            for chosen in (
                rows,
                rows[~last],
                np.where(last, ABSENT_ROW, rows),
                np.where(last, rows, ABSENT_ROW),
                np.full_like(rows, ABSENT_ROW),
            )
        )
        moved = max(float((whole - each).norm()) for each in (less, emptied))
        reach = max(reach, moved / plan.clipping_norm)
        own = alone - nobody
        others = max(float((whole - each - own).norm()) for each in (less, emptied))
        mixing = max(mixing, others / plan.clipping_norm)
    margin = training.engine.lattice.margin
    return (
        Comparison(
            what="how far one record or group moves a step's sum, in clipping norms",
            found=reach,
            expected=1.0,
            p_value=float(reach <= 1 + margin),
        ),
        Comparison(
            what="how far one record or group moves what others add, in clipping norms",
            found=mixing,
            expected=0.0,
            p_value=float(mixing <= margin),
        ),
    )


def _rows(made: MadeUp, records_per_unit: int) -> Numbers:
    """The first records of each unit beside each other, `ABSENT_ROW` where it has no more."""
    numbers = np.arange(len(made.labels))
    unit = numbers if made.groups is None else made.groups
    rows = np.full((int(unit.max()) + 1, records_per_unit), ABSENT_ROW, dtype=np.int64)
    for number in range(len(rows)):
        mine = numbers[unit == number][:records_per_unit]
        rows[number, : len(mine)] = mine
    return rows.ravel()
