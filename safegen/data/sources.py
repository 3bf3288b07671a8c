"""Where data sets come from: names that everybody knows, a MedMNIST file, a folder of pictures."""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from safegen.data.dataset import DataSet, assemble, digest_of, require_side
from safegen.data.groups import read_groups
from safegen.data.idx import BENCHMARKS, read_benchmark
from safegen.errors import DataError
from safegen.modality.image import open_picture
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Split = Literal["train", "test"]

MOST_CLASSES = 1000
DIGITS_SIZE = 32  # scikit-learn's digits are 8x8; the networks start at 28
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}


def load(
    source: str | Path,
    *,
    data_root: Path | None = None,
    size: int | None = None,
    split: Split = "train",
    download: bool = False,
    groups: Path | None = None,
) -> DataSet:
    """Load a data set by its name or its place.

    Args:
        source: `digits`, `mnist`, `fashion-mnist`, the path of a MedMNIST `.npz`, or of a folder
            with one sub-folder of pictures a class.
        data_root: the folder that holds `MNIST/raw` or `FashionMNIST/raw`, torchvision's layout.
        size: pixels a side to resize to; needed where pictures differ or do not fit.
        split: the records to train on, or those held out; `digits` and folders have no test split.
        download: let torchvision fetch a missing benchmark into `data_root`.
        groups: a CSV file that says which group each record belongs to (`data.groups`); without
            one, every record is a privacy unit of its own.

    Raises:
        DataError: nothing is there, or it cannot be read.
    """
    data = _load(source, data_root, size, split, download)
    return data if groups is None else read_groups(groups, data)


def _load(
    source: str | Path, data_root: Path | None, size: int | None, split: Split, download: bool
) -> DataSet:
    if size is not None:
        require_side(size)
    name = str(source)
    if name == "digits":
        _require_train(name, split)
        return _digits(size or DIGITS_SIZE)
    if name in BENCHMARKS:
        images, labels = read_benchmark(name, data_root, split=split, download=download)
        facts, digest = BENCHMARKS[name], digest_of(images[:, None], labels)
        return assemble(
            _resize(images[:, None], size),
            labels,
            facts.classes,
            name=name,
            source=facts.source,
            licence=facts.licence,
            public=digest in facts.digests,
            digest=digest,
        )
    path = Path(source)
    if path.suffix == ".npz":
        return _medmnist(path, split, size)
    if path.is_dir():
        _require_train(name, split)
        return _folder(path, size)
    known = ", ".join(("digits", *BENCHMARKS))
    raise DataError(f"no data set {name!r}: name one of {known}, a .npz file, or a folder")


def _require_train(name: str, split: Split) -> None:
    if split != "train":
        raise DataError(f"{name} has no {split} split; use its training records")


def _digits(size: int) -> DataSet:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return assemble(
        _resize(grey[:, None], size),
        bunch.target.astype(np.int64),
        tuple("0123456789"),
        name="digits",
        source="https://archive.ics.uci.edu/dataset/80 (test part, as shipped by scikit-learn)",
        licence="CC-BY-4.0",
        public=True,
        digest=digest_of(grey[:, None], bunch.target),
    )


def _medmnist(path: Path, split: Split, size: int | None) -> DataSet:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    except FileNotFoundError as error:
        raise DataError(f"no file {path}; name a MedMNIST .npz that exists") from error
    except KeyError as error:
        raise DataError(
            f"{path} has no {split}_images and {split}_labels; a MedMNIST .npz does"
        ) from error
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is not a readable .npz of plain arrays; fetch it again") from error
    if images.dtype != np.uint8 or images.ndim not in {3, 4}:
        raise DataError(f"{path} has images of {images.dtype}, {images.shape}; expected 8 bits")
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    whole = labels.dtype.kind in "ui" and labels.size == len(images) == len(labels.ravel())
    if not whole or not len(images) or not 0 <= labels.min() <= labels.max() < MOST_CLASSES:
        raise DataError(
            f"{path} needs pictures, and for each one label from 0 to {MOST_CLASSES - 1}; it has "
            f"{len(images)} pictures and {labels.size} labels of {labels.dtype}"
        )
    labels = labels.reshape(-1, 1)
    return assemble(
        _resize(images, size),
        labels[:, 0].astype(np.int64),
        tuple(str(number) for number in range(int(labels.max()) + 1)),
        name=path.stem,
        source=path.name,
        licence="not stated by the file",
        digest=digest_of(images, labels[:, 0]),
    )


def _folder(path: Path, size: int | None) -> DataSet:
    classes = sorted(child.name for child in path.iterdir() if child.is_dir())
    if not classes:
        raise DataError(f"{path} has no sub-folders; put the pictures of each class in one")
    files = [
        (file, label)
        for label, name in enumerate(classes)
        for file in sorted((path / name).iterdir())
        if file.suffix.lower() in PICTURES
    ]
    if not files:
        raise DataError(f"{path} holds no pictures in its sub-folders {', '.join(classes)}")
    originals = [_open(file) for file, _ in files]
    pictures = [_sized(picture, size) for picture in originals]
    mode = "RGB" if any(picture.mode == "RGB" for picture in pictures) else "L"
    shapes = {picture.size for picture in pictures}
    if len(shapes) > 1:
        raise DataError(
            f"{path} holds pictures of {len(shapes)} different sizes; give one, such as --size 32"
        )
    pixels = np.stack([np.asarray(picture.convert(mode)) for picture in pictures])
    data = assemble(
        pixels[:, None] if mode == "L" else pixels.transpose(0, 3, 1, 2),
        np.array([label for _, label in files], dtype=np.int64),
        tuple(classes),
        name=path.resolve().name,
        source="a folder of pictures",
        licence="not stated",
        digest=digest_of(map(np.asarray, originals), (label for _, label in files)),
    )
    return dataclasses.replace(
        data, names=tuple(file.relative_to(path).as_posix() for file, _ in files)
    )


def _open(file: Path) -> Image.Image:
    try:
        return open_picture(read(file))
    except DataError as error:
        raise DataError(f"{file}: {error}; mend or remove it") from error


def _sized(picture: Image.Image, size: int | None) -> Image.Image:
    return picture.resize((size, size), Image.Resampling.BICUBIC) if size else picture


def _resize(images: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """Resize (count, channels, height, width) to squares; bicubic, one channel at a time."""
    if size is None or images.shape[2:] == (size, size):
        return images
    resample: Callable[[NDArray[np.uint8]], Image.Image] = lambda plane: Image.fromarray(  # noqa: E731
        plane
    ).resize((size, size), Image.Resampling.BICUBIC)
    planes = images.reshape(-1, *images.shape[2:])
    resized = np.stack([np.asarray(resample(plane)) for plane in planes])
    return resized.reshape(*images.shape[:2], size, size)
