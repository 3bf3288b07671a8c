"""Records that are nobody's, for rehearsals: ordinary ones, and those by which faults show.

A neighbour has one unit more than `others`, which is the last; what it holds is as unlike them as
samples can be. `black` and `white` are all 0 and all 1, as training sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["black", "white", "noise", "twin"]
KINDS: tuple[Kind, ...] = ("black", "white", "noise", "twin")
OTHER_UNITS = 12  # units beside the one that is added
GROUP_RECORDS = (1, 2, 7)  # of groups in turn: fewer records than a step takes, and more
LARGEST_GROUP_RECORDS = 9  # records of the group that is added
MAX_PIXEL = 0.63  # of the others' values, so that a white sample is above all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """Records of `OTHER_UNITS` + 1 units, the last of which is the odd one.

    Attributes:
        samples: (records, *dimensions), float64 in [0, 1].
        labels: (records,), int64.
        groups: (records,), int64; None when records are units.
    """

    samples: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None


def made_up(
    kind: Kind, shape: tuple[int, ...], *, classes: int, grouped: bool, seed: int = 0
) -> MadeUp:
    """Records whose last unit is of a kind.

    The odd one has the last class, which nobody else has; a twin has sample and label of the first
    record. A black or white group's records have all classes in turn.

    Args:
        kind: of the last unit's samples.
        shape: the dimensions of a sample.
        classes: how many labels there are.
        grouped: whether units are groups of several records.
        seed: of the others' samples.
    """
    source = np.random.default_rng(seed)
    sizes = [
        GROUP_RECORDS[unit % len(GROUP_RECORDS)] if grouped else 1 for unit in range(OTHER_UNITS)
    ]
    count, odd = sum(sizes), LARGEST_GROUP_RECORDS if grouped else 1
    faint = source.random((count, *(1 for _ in shape)))  # some are nearly black
    samples = source.random((count, *shape)) * faint * MAX_PIXEL
    labels = np.arange(count) % max(classes - 1, 1)
    last = np.repeat(_odd(kind, samples, source), odd, axis=0)
    last_labels = np.full(odd, labels[0] if kind == "twin" else classes - 1)
    if grouped and kind in {"black", "white"}:
        last_labels = (classes - 1 - np.arange(odd)) % classes
    groups = np.repeat(np.arange(OTHER_UNITS + 1), [*sizes, odd])
    return MadeUp(
        samples=np.concatenate([samples, last]),
        labels=np.concatenate([labels, last_labels]).astype(np.int64),
        groups=groups if grouped else None,
    )


def _odd(
    kind: Kind, samples: NDArray[np.float64], source: np.random.Generator
) -> NDArray[np.float64]:
    """One sample, (1, *dimensions), float64 in [0, 1]."""
    if kind == "twin":
        return samples[:1]
    if kind == "noise":
        return source.random(samples[:1].shape)
    return np.full_like(samples[:1], 1.0 if kind == "white" else 0.0)
