"""Data sets by a name that everybody knows, from a MedMNIST file, or from a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from safegen.data.dataset import DataSet, assemble, digest_of, require_side
from safegen.data.folder import read_folder
from safegen.data.idx import BENCHMARKS, read_benchmark
from safegen.data.medmnist import read_medmnist
from safegen.data.pictures import resized
from safegen.errors import DataError

if TYPE_CHECKING:
    from safegen.schemas.choices import Split

DIGITS_SIZE = 32  # scikit-learn's digits are 8x8; the networks start at 28


def read(
    source: str | Path, data_root: Path | None, size: int | None, split: Split, download: bool
) -> DataSet:
    """As `sources.load` describes."""
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
            resized(images[:, None], size),
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
        return read_medmnist(path, split, size)
    if path.is_dir():
        _require_train(name, split)
        return read_folder(path, size)
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
        resized(grey[:, None], size),
        bunch.target.astype(np.int64),
        tuple("0123456789"),
        name="digits",
        source="https://archive.ics.uci.edu/dataset/80 (test part, as shipped by scikit-learn)",
        licence="CC-BY-4.0",
        public=True,
        digest=digest_of(grey[:, None], bunch.target),
    )
