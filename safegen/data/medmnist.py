"""MedMNIST's files: arrays `train_images`, `train_labels` and the like in one `.npz`.

Any file in this layout is read. The published ones are known by their records: those are public.
A known name alone gives the classes their names and vouches for nothing.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from safegen.data.dataset import ONE_CLASS, DataSet, assemble, digest_of
from safegen.data.pictures import eight_bits, require_deep, resized
from safegen.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_CLASSES = 1000
SOURCE = "https://doi.org/10.5281/zenodo.10519652"  # all sets and sizes, version 3.0
LICENCE = "CC-BY-4.0"
LARGER_SIZE_SUFFIX = re.compile("_(64|128|224)$")  # how MedMNIST+ names its larger sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is known of a published set.

    Attributes:
        classes: the labels' names.
        digests: of its train and test records at 28 pixels (`data.dataset.digest_of`).
    """

    classes: tuple[str, ...]
    digests: frozenset[str]

    def fits(self, classes: tuple[str, ...]) -> bool:
        """Whether these are numbers of its classes, and not more of them."""
        return classes == _numbers(min(len(classes), len(self.classes)))


PUBLISHED = {
    "pneumoniamnist": Published(
        classes=("normal", "pneumonia"),
        digests=frozenset(
            (
                "sha256:c3fe68507ac76e873d02b3e174aa4c0c04851559b5609bde929f240612c7de24",
                "sha256:3f6f38e3d9859532d86d514a477e182345e6ae25da2db10dda2b8fd9ce90cf45",
            )
        ),
    ),
    "retinamnist": Published(
        classes=tuple(f"grade {grade}" for grade in range(5)),  # of diabetic retinopathy
        digests=frozenset(
            (
                "sha256:b9fe37812e6c219b3f1aba412a2b124b7378e039b085cdc2f452c9e78f8dec11",
                "sha256:444738bd1bf8be488d7557bb3fcc856db9064fa09910c2b1a0b058bf6930d242",
            )
        ),
    ),
}


def read_medmnist(path: Path, split: str, size: int | None) -> DataSet:
    """Read one split of a file; without any labels in it, all records are one class.

    Args:
        path: of the `.npz`.
        split: `train` or `test`.
        size: pixels a side to resize to; as they are when None.

    Raises:
        DataError: it is not such a file, or its arrays are not pictures with labels.
    """
    arrays = _arrays(path, split)
    images = _pictures(path, arrays[f"{split}_images"])
    labels, classes = _labels(path, arrays.get(f"{split}_labels"), len(images))
    digest = digest_of(images, labels)
    public = next((known for known in PUBLISHED.values() if digest in known.digests), None)
    known = public or PUBLISHED.get(LARGER_SIZE_SUFFIX.sub("", path.stem))
    if known is not None and known.fits(classes):
        classes = known.classes
    return assemble(
        resized(images, size),
        labels,
        classes,
        name=path.stem,
        source=SOURCE if public else path.name,
        licence=LICENCE if public else "not stated by the file",
        public=public is not None,
        digest=digest,
    )


def _arrays(path: Path, split: str) -> dict[str, NDArray[Any]]:
    """The split's arrays; its labels are missing only where the file has none at all."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            labelled = any(name.endswith("_labels") for name in arrays.files)
            wanted = [f"{split}_images", *([f"{split}_labels"] if labelled else [])]
            return {name: arrays[name] for name in wanted}
    except FileNotFoundError as error:
        raise DataError(f"no file {path}; name a MedMNIST .npz that exists") from error
    except KeyError as error:
        raise DataError(
            f"{path} lacks {split}_images or {split}_labels; give each split both, or leave the "
            "labels out of all splits"
        ) from error
    except (
        OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise DataError(
            f"{path} is not a readable .npz of plain arrays; fetch or write it again"
        ) from error


def _pictures(path: Path, images: NDArray[Any]) -> NDArray[np.uint8]:
    """Pictures as (count, channels, height, width), uint8."""
    if images.dtype.kind == "u" and images.dtype.itemsize == 2:
        require_deep(str(path), int(images.max(initial=0)))
        images = eight_bits(images)
    if images.dtype != np.uint8 or images.ndim not in {3, 4}:
        raise DataError(
            f"{path} has images of type {images.dtype} and shape {images.shape}; they must be "
            "(count, height, width) or (count, height, width, 3), and uint8 or uint16: scale "
            "others first, by one number for all"
        )
    return images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)


def _labels(
    path: Path, labels: NDArray[Any] | None, count: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels (count,), and the names of their classes: their numbers."""
    if labels is None:
        return np.zeros(count, dtype=np.int64), (ONE_CLASS,)
    whole = labels.dtype.kind in "ui" and labels.size == count == len(labels.ravel())
    if not whole or not count or not 0 <= labels.min() <= labels.max() < MAX_CLASSES:
        raise DataError(
            f"{path} needs pictures, and for each one label from 0 to {MAX_CLASSES - 1}; it has "
            f"{count} pictures and {labels.size} labels of {labels.dtype}"
        )
    flat = labels.ravel().astype(np.int64)
    return flat, _numbers(int(flat.max()) + 1)


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(count))
