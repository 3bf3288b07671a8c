"""A data set: samples, labels, and the card that says what they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from safegen.errors import DataError
from safegen.modality.registry import modality_of
from safegen.schemas.card import DataCard, PictureShape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from safegen.schemas.card import Shape

MIN_SIDE_PIXELS, MAX_SIDE_PIXELS = 28, 128  # pixels a side, between which the networks are built
SUGGESTED_SIDE_PIXELS = 32  # pixels a side to suggest for what is too small
FINE_SIDE_PIXELS = 64  # pixels a side, above which a side must be divisible by 8 and not only by 4
ONE_CLASS = "all"  # what the only class of unlabelled records is called
ALLOWED_SIDES = (
    f"from {MIN_SIDE_PIXELS} to {MAX_SIDE_PIXELS} pixels and divisible by 4, "
    f"above {FINE_SIDE_PIXELS} by 8"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Samples with labels, held in memory.

    Printed, it shows its card alone: records do not belong in a log or a notebook's margin.

    Attributes:
        images: (count, *dimensions), as their kind of data stores samples (`modality`): of
            pictures (count, channels, height, width), uint8.
        labels: (count,), int64, each below the number of classes.
        card: name, source, licence, count, shape, classes, digest, privacy unit.
        names: what each record is called in its source; empty when by its number, from 0.
        groups: (count,), int64, the unit of each record, from 0; None when records are units.
        grouping: a digest of who belongs together; None when records are units.
    """

    images: NDArray[Any] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    card: DataCard
    names: tuple[str, ...] = field(default=(), repr=False)
    groups: NDArray[np.int64] | None = field(default=None, repr=False)
    grouping: str | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def of(cls, samples: NDArray[Any], labels: NDArray[np.int64], card: DataCard) -> DataSet:
        """Make a data set of any kind of data from samples as the kind stores them.

        Args:
            samples: (count, *dimensions); the card's shape says of which kind they are.
            labels: (count,), int64, each below the number of classes.
            card: says what they are; its digest is `digest_of(samples, labels)`, of the records as
                they came.

        Raises:
            DataError: samples, labels and card do not fit each other, or a value is not finite.
        """
        modality = modality_of(card.shape)
        _require_text(card.name, *card.classes)
        if not len(samples):
            raise DataError(f"{card.name} holds no {modality.many}")
        if samples.shape[1:] != modality.dimensions:
            raise DataError(
                f"{card.name} has {modality.many} of dimensions {samples.shape[1:]}, and its card "
                f"says {modality.dimensions}"
            )
        _require_labels(card.name, labels, card.classes, len(samples), modality.many)
        seen = modality.to_float(samples)
        if not (np.isfinite(samples).all() and seen.min() >= 0 and seen.max() <= 1):
            raise DataError(
                f"{card.name} has values that are NaN or infinite, or that training would see "
                "outside of 0 to 1; fill or remove them"
            )
        return cls(
            images=np.ascontiguousarray(samples),
            labels=np.ascontiguousarray(labels, dtype=np.int64),
            card=card,
        )

    @classmethod
    def from_arrays(
        cls,
        pictures: object,
        labels: object = None,
        *,
        name: str,
        classes: Sequence[str] | None = None,
        groups: Sequence[object] | None = None,
        size: int | None = None,
    ) -> DataSet:
        """Make a data set from arrays, or from anything that NumPy makes one of.

        Args:
            pictures: (count, height, width), (count, height, width, 1 or 3) or (count, 1 or 3,
                height, width); whole numbers from 0 to 255, or floating-point ones from 0 to 1.
            labels: (count,), whole numbers from 0; None for a single class.
            name: what people call the data set.
            classes: the labels' names, in order; their numbers by default.
            groups: which patient or the like each record belongs to; then a group is the privacy
                unit.
            size: pixels a side to resize to.

        Raises:
            DataError: shapes, types or values that do not fit; the sentence names the way out.

        >>> rng = np.random.default_rng(0)
        >>> X = rng.integers(0, 256, (6, 28, 28), dtype=np.uint8)
        >>> data = DataSet.from_arrays(X, [0, 1, 0, 1, 0, 1], name="scans", classes=["well", "ill"])
        >>> data.card.classes, data.images.shape
        (('well', 'ill'), (6, 1, 28, 28))
        """
        from safegen.data import memory

        return memory.from_arrays(
            pictures, labels, name=name, classes=classes, groups=groups, size=size
        )

    @classmethod
    def from_torch(
        cls,
        data: object,
        *,
        name: str,
        classes: Sequence[str] | None = None,
        groups: Sequence[object] | None = None,
        size: int | None = None,
    ) -> DataSet:
        """Make a data set from a map-style `torch.utils.data.Dataset`, each item asked for once.

        Args:
            data: has a length, and items by number that are pictures or (picture, label): tensors
                (channels, height, width) or (height, width), arrays, or PIL pictures. Random
                transforms are frozen as they fall; leave them out.
            name: what people call the data set.
            classes: the labels' names; `data.classes` where there is one, else their numbers.
            groups: as for `from_arrays`.
            size: as for `from_arrays`.

        Raises:
            DataError: an item does not fit the others, or not at all.

        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> items = TensorDataset(torch.zeros(4, 1, 28, 28), torch.tensor([0, 1, 0, 1]))
        >>> DataSet.from_torch(items, name="scans").card.classes
        ('0', '1')
        """
        from safegen.data import memory

        return memory.from_torch(data, name=name, classes=classes, groups=groups, size=size)

    @classmethod
    def from_frame(
        cls,
        frame: object,
        *,
        name: str,
        path: str = "path",
        label: str | None = "label",
        group: str | None = None,
        root: str | Path = ".",
        size: int | None = None,
    ) -> DataSet:
        """Make a data set from a table of picture files: a pandas or polars frame, or a dict.

        Args:
            frame: its columns are had by name.
            name: what people call the data set.
            path: the column of paths.
            label: the column of classes, whose names are sorted; None for a single class.
            group: the column of patients or the like, which are then the privacy unit.
            root: the folder that relative paths are in.
            size: pixels a side to resize to; needed where pictures differ or do not fit.

        Raises:
            DataError: a column is missing or has gaps, or a file is no picture.

        >>> DataSet.from_frame({"path": ["a.png"], "label": [None]}, name="scans")
        Traceback (most recent call last):
        safegen.errors.DataError: scans has 1 rows without a label; give every picture one
        """
        from safegen.data import memory

        return memory.from_frame(
            frame, name=name, path=path, label=label, group=group, root=root, size=size
        )


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
        images: (count, 1 or 3, height, width), uint8; `require_side` says which sides.
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
    _require_text(name, *classes)
    _require_shape(images, name)
    _require_labels(name, labels, classes, len(images), "pictures")
    images, labels = np.ascontiguousarray(images), np.ascontiguousarray(labels, dtype=np.int64)
    _, channels, height, width = images.shape
    card = DataCard(
        name=name,
        source=source,
        licence=licence,
        count=len(images),
        shape=PictureShape(channels=channels, height=height, width=width),
        classes=classes,
        digest=digest_of(images, labels) if digest is None else digest,
        units=len(images),
        public=public,
    )
    return DataSet(images=images, labels=labels, card=card)


def require_side(size: int) -> None:
    """Refuse a number of pixels a side that no network here takes.

    Raises:
        DataError: it is out of range, or cannot be halved until a network is small.
    """
    if not _fits(size):
        raise DataError(
            f"a side of {size} pixels does not fit; sides are {ALLOWED_SIDES}: "
            f"--size {_near(size)} would do"
        )


def side_of(shape: Shape) -> int | None:
    """The size by which square pictures of a shape are asked for; None for any other shape."""
    if isinstance(shape, PictureShape) and shape.height == shape.width:
        return shape.height
    return None


def _fits(side: int) -> bool:
    return MIN_SIDE_PIXELS <= side <= MAX_SIDE_PIXELS and side % _step(side) == 0


def _step(side: int) -> int:
    return 4 if side <= FINE_SIDE_PIXELS else 8


def _near(side: int) -> int:
    """A side that fits, as near as can be."""
    if side < MIN_SIDE_PIXELS:
        return SUGGESTED_SIDE_PIXELS
    return min(side + -side % _step(side), MAX_SIDE_PIXELS)


def _require_text(*names: str) -> None:
    """A card travels as UTF-8: what is no such text could not be signed once a run is over."""
    for name in names:
        if name.encode(errors="replace") != name.encode(errors="surrogatepass"):
            raise DataError(f"{name!r} is no text in UTF-8; rename that data set, or that class")
        if not name.strip():
            raise DataError("a data set, or one of its classes, has no name; give it one")
        if not name.isprintable():  # it would break lines of cards, pages and terminals
            raise DataError(
                f"{name!r} has line breaks or other letters that cannot be seen; rename that data "
                "set, or that class"
            )


def _require_labels(
    name: str, labels: NDArray[np.int64], classes: tuple[str, ...], count: int, what: str
) -> None:
    if len(labels) != count:
        raise DataError(f"{name} has {count} {what} and {len(labels)} labels; they must pair")
    if not classes or labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"{name} has labels outside 0..{len(classes) - 1}; name every class")


def _require_shape(images: NDArray[np.uint8], name: str) -> None:
    if images.ndim != 4 or images.shape[1] not in {1, 3} or images.dtype != np.uint8:
        raise DataError(
            f"{name} has pictures of shape {images.shape[1:]} and type {images.dtype}; "
            "expected grey or RGB pictures of 8 bits"
        )
    if not len(images):
        raise DataError(f"{name} holds no pictures")
    height, width = images.shape[2:]
    if not (_fits(height) and _fits(width)):
        raise DataError(
            f"{name} has pictures of {width}x{height} pixels, and sides must be {ALLOWED_SIDES}: "
            f"--size {_near(max(height, width))} would do"
        )


def digest_of(pictures: Iterable[NDArray[Any]], labels: Iterable[int]) -> str:
    """The digest of records, whatever their order: the same people are the same data set.

    Args:
        pictures: records as they came, before any resizing; their shapes may differ.
        labels: one a picture.
    """
    records = sorted(
        hashlib.sha256(f"{picture.shape} {int(label)} ".encode() + picture.tobytes()).digest()
        for picture, label in zip(pictures, labels, strict=True)
    )
    return f"sha256:{hashlib.sha256(b''.join(records)).hexdigest()}"
