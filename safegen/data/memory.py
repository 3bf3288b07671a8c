"""Records that are in memory already: arrays, a torch data set, a frame of paths.

Nothing is guessed: pictures are whole numbers from 0 to 255, or numbers from 0 to 1, and which of
the two is told by their type, never by what values the records happen to have. Neither torch nor
pandas is needed: a torch data set is anything with a length whose items are pictures with labels,
and a frame is anything whose columns are had by name.
"""

from __future__ import annotations

import dataclasses
import numbers
import os
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from safegen.data.dataset import ONE_CLASS, DataSet, assemble, digest_of, require_side
from safegen.data.folder import open_file, stacked
from safegen.data.groups import grouped, normal
from safegen.data.medmnist import MAX_CLASSES
from safegen.data.pictures import as_record, resized
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
    _require_plain(name, size)
    images = _pictures(name, pictures)
    made, names = _labels(name, labels, len(images), classes)
    return _made(name, images, made, names, groups, size)


def from_torch(
    data: object,
    *,
    name: str,
    classes: Sequence[str] | None = None,
    groups: Sequence[object] | None = None,
    size: int | None = None,
) -> DataSet:
    """Records from a torch data set; `DataSet.from_torch` describes it."""
    items = _items(name, data)
    if classes is None:
        classes = getattr(data, "classes", None)
    labelled = [isinstance(item, tuple | list) and len(item) == 2 for item in items]
    if any(labelled) and not all(labelled):
        raise DataError(f"some items of {name} have a label and some have none; give all one")
    pictures = [
        _picture(name, item[0] if with_label else item)
        for item, with_label in zip(items, labelled, strict=True)
    ]
    _require_one_kind(name, pictures)
    labels = [item[1] for item in items] if all(labelled) else None
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
    _require_plain(name, size)
    paths = _filled(name, frame, path, exactly=True)
    if not paths:
        raise DataError(f"{name} has no rows; give one for each picture")
    files = _files(name, root, paths)
    words = [ONE_CLASS] * len(paths) if label is None else _filled(name, frame, label)
    if len(words) != len(paths):
        raise DataError(
            f"{name} has {len(paths)} rows of {path} and {len(words)} of {label}; they must pair"
        )
    names = tuple(sorted(set(words)))
    labels = np.array([names.index(word) for word in words], dtype=np.int64)
    opened = [open_file(file) for file in files]
    images = stacked(name, opened, size)
    data = assemble(
        images,
        labels,
        names,
        name=name,
        source="a frame of picture files",
        licence=LICENCE,
        digest=digest_of((np.asarray(each.picture) for each in opened), labels),
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


def _require_plain(name: object, size: object) -> None:
    """A name is text, and a size a number of pixels that a network here takes."""
    if not (isinstance(name, str) and name.strip()):
        raise DataError(f"a data set's name is {reprlib.repr(name)}; give text")
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, numbers.Integral):
        raise DataError(f"size is {reprlib.repr(size)}; give a whole number of pixels a side")
    require_side(int(size))


def _items(name: str, data: Any) -> list[Any]:  # noqa: ANN401 - of any library
    """All items of a torch data set, each asked for once."""
    try:
        count = len(data) if hasattr(data, "__getitem__") else None
    except TypeError:
        count = None
    if count is None:
        raise DataError(
            f"{name} is a {type(data).__name__} without a length or without items by number; give "
            "a map-style Dataset, or from_arrays the arrays"
        )
    items = [data[number] for number in range(count)]
    if not items:
        raise DataError(f"{name} holds no pictures")
    odd = [
        each
        for each in items
        if isinstance(each, dict) or (isinstance(each, tuple) and len(each) != 2)
    ]
    if odd:
        raise DataError(
            f"{name} has an item that is a {type(odd[0]).__name__} of {len(odd[0])}; give pictures,"
            " or pairs of a picture and its label"
        )
    return items


def _picture(name: str, value: object) -> NDArray[Any]:
    """One picture as an array; of a PIL picture its colours, not its palette's numbers."""
    if isinstance(value, Image.Image) and not value.mode.startswith("I;16"):
        try:
            value = as_record(value).picture
        except DataError as error:
            raise DataError(f"{name} has {error}") from error
    return _converted(name, value)


def _converted(name: str, value: object) -> NDArray[Any]:
    """What `_array` makes of a picture, or a sentence that says why it makes nothing."""
    if np.ma.is_masked(value):
        raise DataError(f"{name} has masked pixels; fill or remove them")
    try:
        return _array(value)
    except (TypeError, RuntimeError) as error:  # sparse, bfloat16, without data
        raise DataError(
            f"{name} has a {type(value).__name__} that NumPy makes no array of; give a dense one "
            "of uint8, or of 32-bit floating-point numbers from 0 to 1"
        ) from error


def _array(value: object) -> NDArray[Any]:
    """A picture or a label as an array, from a tensor or a number."""
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
        array = (
            np.stack([_picture(name, each) for each in pictures])
            if isinstance(pictures, list | tuple) and pictures
            else _converted(name, pictures)
        )
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
    """Pixels from 0 to 255, as they are or from numbers from 0 to 1; a copy, which nobody changes.

    The digest by which a budget knows the records would be another's if somebody did.
    """
    if array.dtype == np.uint8:
        return np.array(array, order="C")
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
    names = None if classes is None else _names(name, classes)
    if labels is None:
        return np.zeros(count, dtype=np.int64), (ONE_CLASS,) if names is None else names
    try:
        array = (
            np.stack([_array(each) for each in labels])
            if isinstance(labels, list | tuple) and labels
            else _array(labels)
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{name} has labels of different shapes or types; give one whole number from 0 for "
            "each picture"
        ) from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    whole = array.dtype.kind in "iu"
    if not whole or array.shape != (count,):
        raise DataError(
            f"{name} has {count} pictures, and labels of shape {array.shape} and type "
            f"{array.dtype}; give one whole number from 0 for each picture, and classes their names"
        )
    found = array.astype(np.int64)
    most = MAX_CLASSES if names is None else len(names)
    if found.min() < 0 or found.max() >= most:
        raise DataError(
            f"{name} has labels from {array.min()} to {array.max()}; give numbers from 0 to "
            f"{most - 1}" + ("" if names is None else ", or a name for every class")
        )
    if names is None:
        names = tuple(str(each) for each in range(int(found.max()) + 1))
    return found, names


def _names(name: str, classes: Any) -> tuple[str, ...]:  # noqa: ANN401 - a caller's
    """Names of classes, each its own to a reader, too."""
    try:
        names = tuple(str(each) for each in classes)
    except TypeError as error:
        raise DataError(
            f"the classes of {name} are {reprlib.repr(classes)}; give their names, in order"
        ) from error
    read = [normal(each) for each in names]
    if not all(read) or not names:
        raise DataError(f"{name} has a class without a name; give each its own")
    if len(set(read)) < len(read):
        raise DataError(f"{name} has two classes of one name; give each its own")
    return names


def _filled(name: str, frame: Any, column: str, *, exactly: bool = False) -> list[str]:  # noqa: ANN401 - likewise
    """A column's words, of which none may be missing; exactly as they are, or in one form."""
    words = [(str(each), normal(each)) for each in _column(name, frame, column)]
    missing = sum(not word for _, word in words)
    if missing:
        raise DataError(f"{name} has {missing} rows without a {column}; give every picture one")
    return [said for said, _ in words] if exactly else [word for _, word in words]


def _files(name: str, root: str | Path, paths: Sequence[str]) -> list[Path]:
    """The files of a frame's rows, each another one, however it is spelt."""
    try:
        files = [Path(root) / each for each in paths]
        again = len(files) - len({os.path.realpath(file) for file in files})
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} has paths that are none ({error}); name files") from error
    if again:
        raise DataError(f"{name} names {again} files twice or more; give each picture one row")
    return files


def _column(name: str, frame: Any, column: str) -> list[Any]:  # noqa: ANN401 - likewise
    try:
        return list(frame[column])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{name} is a {type(frame).__name__} without a column {column!r}; name the column of "
            "paths with path=, that of classes with label=, or label=None for a single class"
        ) from error
