"""Records that are in memory already: arrays, a torch data set, a frame of paths.

Nothing is guessed: pictures are whole numbers from 0 to 255, or numbers from 0 to 1, and which of
the two is told by their type, never by what values the records happen to have. Neither torch nor
pandas is needed: a torch data set is anything with a length whose items are pictures with labels,
and a frame is anything whose columns are had by name.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from safegen.data.dataset import ONE_CLASS, DataSet, assemble, digest_of
from safegen.data.folder import open_file, stacked
from safegen.data.groups import grouped
from safegen.data.medmnist import MOST_CLASSES
from safegen.data.pictures import resized
from safegen.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SOURCE, LICENCE = "arrays in memory", "not stated"


def from_arrays(
    pictures: object,
    labels: object = None,
    *,
    name: str,
    classes: Sequence[str] | None = None,
    groups: Sequence[object] | None = None,
    size: int | None = None,
) -> DataSet:
    """Records from arrays; `DataSet.from_arrays` describes it."""
    images = _pictures(name, pictures)
    numbers, names = _labels(name, labels, len(images), classes)
    return _made(name, images, numbers, names, groups, size)


def from_torch(
    data: object,
    *,
    name: str,
    classes: Sequence[str] | None = None,
    groups: Sequence[object] | None = None,
    size: int | None = None,
) -> DataSet:
    """Records from a torch data set; `DataSet.from_torch` describes it."""
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise DataError(
            f"{name} is a {type(data).__name__} without a length or without items by number; give "
            "a map-style Dataset, or from_arrays the arrays"
        )
    items = [data[number] for number in range(len(data))]
    if not items:
        raise DataError(f"{name} holds no pictures")
    if classes is None:
        known = getattr(data, "classes", None)
        classes = None if known is None else tuple(str(each) for each in known)
    labelled = [isinstance(item, tuple | list) and len(item) == 2 for item in items]
    if any(labelled) and not all(labelled):
        raise DataError(f"some items of {name} have a label and some have none; give all one")
    pictures = [
        _array(item[0] if with_label else item)
        for item, with_label in zip(items, labelled, strict=True)
    ]
    _require_one_kind(name, pictures)
    labels = [_array(item[1]) for item in items] if all(labelled) else None
    return from_arrays(
        np.stack(pictures), labels, name=name, classes=classes, groups=groups, size=size
    )


def from_frame(
    frame: Any,  # noqa: ANN401 - a frame of any library
    *,
    name: str,
    path: str = "path",
    label: str | None = "label",
    group: str | None = None,
    root: str | Path = ".",
    size: int | None = None,
) -> DataSet:
    """Records from a frame of paths; `DataSet.from_frame` describes it."""
    paths = [str(each) for each in _column(name, frame, path)]
    if not paths:
        raise DataError(f"{name} has no rows; give one for each picture")
    again = len(paths) - len(set(paths))
    if again:
        raise DataError(f"{name} names {again} files twice or more; give each picture one row")
    said = [ONE_CLASS] * len(paths) if label is None else _column(name, frame, label)
    missing = sum(each is None or each != each or not str(each).strip() for each in said)  # noqa: PLR0124 - NaN
    if missing:
        raise DataError(f"{name} has {missing} rows without a {label}; give every picture one")
    words = [str(each) for each in said]
    names = tuple(sorted(set(words)))
    numbers = np.array([names.index(word) for word in words], dtype=np.int64)
    opened = [open_file(Path(root) / each) for each in paths]
    images = stacked(name, opened, size)
    data = assemble(
        images,
        numbers,
        names,
        name=name,
        source="a frame of picture files",
        licence=LICENCE,
        digest=digest_of((np.asarray(each.picture) for each in opened), numbers),
    )
    data = dataclasses.replace(data, names=tuple(paths))
    return data if group is None else grouped(data, _column(name, frame, group))


def _made(
    name: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    groups: Sequence[object] | None,
    size: int | None,
) -> DataSet:
    data = assemble(
        resized(images, size),
        labels,
        classes,
        name=name,
        source=SOURCE,
        licence=LICENCE,
        digest=digest_of(images, labels),
    )
    return data if groups is None else grouped(data, groups)


def _array(value: object) -> NDArray[Any]:
    """A picture or a label as an array, from a tensor, a PIL picture or a number."""
    if isinstance(value, Image.Image):
        return np.asarray(value)
    for step in ("detach", "cpu", "numpy"):  # a tensor's way out of its device
        value = getattr(value, step)() if hasattr(value, step) else value
    return np.asarray(value)


def _require_one_kind(name: str, pictures: Sequence[NDArray[Any]]) -> None:
    kinds = {(picture.shape, str(picture.dtype)) for picture in pictures}
    if len(kinds) > 1:
        (one, _), (other, _) = sorted(kinds, key=str)[:2]
        raise DataError(
            f"{name} has pictures of different shapes or types, such as {one} and {other}; give "
            "all one, for example by a transform that resizes them"
        )


def _pictures(name: str, pictures: object) -> NDArray[np.uint8]:
    """Pictures as (count, channels, height, width), uint8."""
    try:
        array = _array(pictures)
    except ValueError as error:
        raise DataError(
            f"{name} has pictures of different shapes; give one array of shape (count, height, "
            "width), (count, height, width, 3) or (count, channels, height, width)"
        ) from error
    if not array.size:
        raise DataError(f"{name} holds no pictures")
    return _bytes(name, _channels_first(name, array))


def _channels_first(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[1] in {1, 3}:
        return array
    if array.ndim == 4 and array.shape[3] in {1, 3}:
        return array.transpose(0, 3, 1, 2)
    raise DataError(
        f"{name} has an array of shape {array.shape}; give (count, height, width), (count, height, "
        "width, 3) or (count, channels, height, width), with 1 or 3 channels"
    )


def _bytes(name: str, array: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels from 0 to 255: as they are, or from numbers from 0 to 1."""
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise DataError(f"{name} has pixels that are NaN or infinite; fill or remove them")
        if array.min() < 0 or array.max() > 1:
            raise DataError(
                f"{name} has floating-point pixels from {array.min():.3g} to {array.max():.3g}; "
                "give numbers from 0 to 1, scaled by one rule for all records, or uint8"
            )
        return np.ascontiguousarray(np.rint(array * 255).astype(np.uint8))
    if array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255:
        return np.ascontiguousarray(array.astype(np.uint8))
    raise DataError(
        f"{name} has pixels of type {array.dtype}, which are not all whole numbers from 0 to 255; "
        "give uint8, or floating-point numbers from 0 to 1, scaled by one rule for all records"
    )


def _labels(
    name: str, labels: object, count: int, classes: Sequence[str] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels (count,), and the names of their classes: their numbers by default."""
    if labels is None:
        one = (ONE_CLASS,) if classes is None else tuple(classes)
        return np.zeros(count, dtype=np.int64), one
    array = (
        np.asarray([_array(each) for each in labels])
        if isinstance(labels, list)
        else _array(labels)
    )
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    whole = array.dtype.kind in "iu"
    if not whole or array.shape != (count,):
        raise DataError(
            f"{name} has {count} pictures, and labels of shape {array.shape} and type "
            f"{array.dtype}; give one whole number from 0 for each picture, and classes their names"
        )
    numbers = array.astype(np.int64)
    most = MOST_CLASSES if classes is None else len(classes)
    if numbers.min() < 0 or numbers.max() >= most:
        raise DataError(
            f"{name} has labels from {numbers.min()} to {numbers.max()}; give numbers from 0 to "
            f"{most - 1}" + ("" if classes is None else ", or a name for every class")
        )
    if classes is None:
        return numbers, tuple(str(each) for each in range(int(numbers.max()) + 1))
    names = tuple(str(each) for each in classes)
    if len(set(names)) < len(names):
        raise DataError(f"{name} has two classes of one name; give each its own")
    return numbers, names


def _column(name: str, frame: Any, column: str) -> list[Any]:  # noqa: ANN401 - likewise
    try:
        return list(frame[column])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{name} is a {type(frame).__name__} without a column {column!r}; name the column of "
            "paths with path=, that of classes with label=, or label=None for a single class"
        ) from error
