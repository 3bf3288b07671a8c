"""A data set: pictures, labels, and the card that says what they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import DataError
from safegen.records.card import DataCard, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SMALLEST, LARGEST = 28, 64  # pixels a side, between which the networks are built


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Pictures with labels, held in memory.

    Attributes:
        images: (count, channels, height, width), uint8.
        labels: (count,), int64, each below the number of classes.
        card: name, source, licence, count, shape, classes, digest, privacy unit.
        names: what each record is called in its source; empty when by its number, from 0.
        groups: (count,), int64, the unit of each record, from 0; None when records are units.
        grouping: a digest of who belongs together; None when records are units.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    card: DataCard
    names: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    grouping: str | None = None

    def __len__(self) -> int:
        return len(self.images)


def assemble(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    name: str,
    source: str,
    licence: str,
    public: bool = False,
    digest: str | None = None,
) -> DataSet:
    """Make a data set, and its card, from arrays.

    Args:
        images: (count, 1 or 3, height, width), uint8, sides from 28 to 64 and divisible by 4.
        labels: (count,), int64 in [0, len(classes)).
        classes: the labels' names.
        name: what people call the data set.
        source: where it came from.
        licence: under which terms.
        public: whether anybody may hold the records.
        digest: of the records as they were before resizing (`digest_of`); taken here when None.

    Raises:
        DataError: the arrays do not fit each other, or no network here takes their shape.
    """
    _require_shape(images, name)
    if len(labels) != len(images):
        raise DataError(
            f"{name} has {len(images)} pictures and {len(labels)} labels; they must pair"
        )
    if not classes or labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"{name} has labels outside 0..{len(classes) - 1}; name every class")
    images, labels = np.ascontiguousarray(images), np.ascontiguousarray(labels, dtype=np.int64)
    _, channels, height, width = images.shape
    card = DataCard(
        name=name,
        source=source,
        licence=licence,
        count=len(images),
        shape=Shape(channels=channels, height=height, width=width),
        classes=classes,
        digest=digest_of(images, labels) if digest is None else digest,
        units=len(images),
        public=public,
    )
    return DataSet(images=images, labels=labels, card=card)


def require_side(size: int) -> None:
    """Refuse a number of pixels a side that no network here takes.

    Raises:
        DataError: it is out of range, or not divisible by 4.
    """
    if not (SMALLEST <= size <= LARGEST and size % 4 == 0):
        raise DataError(
            f"a side of {size} pixels does not fit: choose from {SMALLEST} to {LARGEST}, "
            "divisible by 4, such as --size 32"
        )


def _require_shape(images: NDArray[np.uint8], name: str) -> None:
    if images.ndim != 4 or images.shape[1] not in {1, 3} or images.dtype != np.uint8:
        raise DataError(
            f"{name} has pictures of shape {images.shape[1:]} and type {images.dtype}; "
            "expected grey or RGB pictures of 8 bits"
        )
    if not len(images):
        raise DataError(f"{name} holds no pictures")
    sides = images.shape[2:]
    if not all(SMALLEST <= side <= LARGEST and side % 4 == 0 for side in sides):
        raise DataError(
            f"{name} has pictures of {sides[0]}x{sides[1]} pixels; sides must be from {SMALLEST} "
            f"to {LARGEST} and divisible by 4: --size 32 would do"
        )


def digest_of(pictures: Iterable[NDArray[np.uint8]], labels: Iterable[int]) -> str:
    """The digest of records, whatever their order: the same people are the same data set.

    Args:
        pictures: as they came, before any resizing; their shapes may differ.
        labels: one a picture.
    """
    records = sorted(
        hashlib.sha256(f"{picture.shape} {int(label)} ".encode() + picture.tobytes()).digest()
        for picture, label in zip(pictures, labels, strict=True)
    )
    return f"sha256:{hashlib.sha256(b''.join(records)).hexdigest()}"
