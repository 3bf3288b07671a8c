"""A folder of pictures: one sub-folder a class, or the pictures of one class directly in it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from safegen.data.dataset import ONE_CLASS, DataSet, assemble, digest_of
from safegen.data.pictures import PICTURE_SUFFIXES, Opened, open_record, require_deep, square
from safegen.errors import DataError
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def read_folder(path: Path, size: int | None) -> DataSet:
    """Read a folder of pictures; hidden files and folders are passed over.

    Args:
        path: the folder.
        size: pixels a side to resize to; needed where pictures differ or do not fit.

    Raises:
        DataError: it holds none, or it is not clear which class they are of, or one is unfit.
    """
    classes = _classes(path)
    files = [(file, label) for label, (_, members) in enumerate(classes) for file in members]
    opened = [open_file(file) for file, _ in files]
    data = assemble(
        stacked(str(path), opened, size),
        np.array([label for _, label in files], dtype=np.int64),
        tuple(name for name, _ in classes),
        name=path.resolve().name,
        source="a folder of pictures",
        licence="not stated",
        digest=digest_of(
            (np.asarray(each.picture) for each in opened), (label for _, label in files)
        ),
    )
    return dataclasses.replace(
        data, names=tuple(file.relative_to(path).as_posix() for file, _ in files)
    )


def stacked(name: str, opened: Sequence[Opened], size: int | None) -> NDArray[np.uint8]:
    """Pictures as (count, channels, height, width): grey when all are, else RGB.

    Raises:
        DataError: they have different sizes, or 16 bits of which the upper 8 tell too little.
    """
    peaks = (each.peak for each in opened if each.peak is not None)
    require_deep(name, max(peaks, default=None))
    pictures = [square(each.picture, size) for each in opened]
    if len({picture.size for picture in pictures}) > 1:
        raise DataError(
            f"{name} holds pictures of different sizes; give one for all, such as --size 32"
        )
    mode = "RGB" if any(picture.mode == "RGB" for picture in pictures) else "L"
    pixels = np.stack([np.asarray(picture.convert(mode)) for picture in pictures])
    return pixels[:, None] if mode == "L" else pixels.transpose(0, 3, 1, 2)


def _classes(path: Path) -> list[tuple[str, list[Path]]]:
    """Each class's name, and its pictures."""
    here = _pictures(path)
    folders = sorted(
        child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")
    )
    if here and folders:
        raise DataError(
            f"{path} holds {len(here)} pictures beside sub-folders, the first is {here[0].name}; "
            "move each into the sub-folder of its class, or take the sub-folders out"
        )
    if here:
        return [(ONE_CLASS, here)]
    if not folders:
        raise DataError(
            f"{path} holds no pictures; put them into it, or those of each class into a sub-folder"
        )
    classes = [(folder.name, _pictures(folder)) for folder in folders]
    empty = [name for name, members in classes if not members]
    if empty:
        raise DataError(
            f"{path} has sub-folders that hold no pictures ({len(empty)}, such as {empty[0]}); "
            "each is a class: fill it or remove it"
        )
    return classes


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".")
    )


def open_file(file: Path) -> Opened:
    """Open a picture file as a record.

    Raises:
        DataError: it is none; the sentence names the file.
    """
    try:
        return open_record(read(file))
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
