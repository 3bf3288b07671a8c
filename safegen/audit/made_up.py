"""Records that are nobody's, for rehearsals: ordinary ones, and those by which faults show.

A neighbour has one unit more than `others`, which is the last; what it holds is as unlike them as
pictures can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["black", "white", "noise", "twin"]
KINDS: tuple[Kind, ...] = ("black", "white", "noise", "twin")
OTHERS = 12  # units beside the one that is added
SIZES = (1, 2, 7)  # of groups in turn: fewer records than a step takes, and more
LARGE = 9  # records of the group that is added
BRIGHTEST = 160  # of the others' pixels, so that a white picture is brighter than all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """Records of `OTHERS` + 1 units, the last of which is the odd one.

    Attributes:
        pictures: (records, channels, height, width), uint8.
        labels: (records,), int64.
        groups: (records,), int64; None when records are units.
    """

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None


def made_up(
    kind: Kind, shape: tuple[int, int, int], *, classes: int, grouped: bool, seed: int = 0
) -> MadeUp:
    """Records whose last unit is of a kind.

    The odd one has the last class, which nobody else has; a twin has picture and label of the first
    record. A black or white group's records have all classes in turn.

    Args:
        kind: of the last unit's pictures.
        shape: channels, height, width.
        classes: how many labels there are.
        grouped: whether units are groups of several records.
        seed: of the others' pictures.
    """
    source = np.random.default_rng(seed)
    sizes = [SIZES[unit % len(SIZES)] if grouped else 1 for unit in range(OTHERS)]
    count, odd = sum(sizes), LARGE if grouped else 1
    faint = source.random((count, 1, 1, 1))  # some are nearly black
    pictures = (source.random((count, *shape)) * faint * BRIGHTEST).astype(np.uint8)
    labels = np.arange(count) % max(classes - 1, 1)
    last = np.repeat(_odd(kind, pictures, source), odd, axis=0)
    last_labels = np.full(odd, labels[0] if kind == "twin" else classes - 1)
    if grouped and kind in {"black", "white"}:
        last_labels = (classes - 1 - np.arange(odd)) % classes
    groups = np.repeat(np.arange(OTHERS + 1), [*sizes, odd])
    return MadeUp(
        pictures=np.concatenate([pictures, last]),
        labels=np.concatenate([labels, last_labels]).astype(np.int64),
        groups=groups if grouped else None,
    )


def _odd(kind: Kind, pictures: NDArray[np.uint8], source: np.random.Generator) -> NDArray[np.uint8]:
    """One picture, (1, channels, height, width), uint8."""
    if kind == "twin":
        return pictures[:1]
    if kind == "noise":
        drawn: NDArray[np.uint8] = source.integers(0, 256, pictures[:1].shape, dtype=np.uint8)
        return drawn
    return np.full_like(pictures[:1], 255 if kind == "white" else 0)
