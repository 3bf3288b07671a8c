"""MNIST and Fashion-MNIST from their idx files, plain or gzipped, in torchvision's layout."""

from __future__ import annotations

import gzip
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from safegen.errors import DataError
from safegen.storage import read

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """What is known of a public benchmark.

    Attributes:
        folder: where torchvision puts it.
        source: where it came from.
        licence: under which terms.
        classes: the labels' names.
        digests: of its splits (`data.dataset.digest_of`); files of that name with other records
            are somebody's own, and not public.
    """

    folder: str
    source: str
    licence: str
    classes: tuple[str, ...]
    digests: frozenset[str]


BENCHMARKS = {
    "mnist": Benchmark(
        folder="MNIST",
        source="http://yann.lecun.com/exdb/mnist/",
        licence="CC-BY-SA-3.0",
        classes=tuple("0123456789"),
        digests=frozenset(
            (
                "sha256:02c8ec3bbde95af5bf24863eb17c5de9520a0886b8bf77be63d299a63d309bf6",
                "sha256:ef5a681671d9d591c4296641c0de1fe3d060ca119c6dad6ae474ee7c4ef80aee",
            )
        ),
    ),
    "fashion-mnist": Benchmark(
        folder="FashionMNIST",
        source="https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        classes=(
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
            "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ),
        digests=frozenset(
            (
                "sha256:be3b45ab38ad973328f9644425ef2dc886adc12e2a22cf1db3a5550c2c3b3bd1",
                "sha256:2473144b2f386ef438e3f01da292bd76d2b708b783387a84369fecb308c69b66",
            )
        ),
    ),
}  # fmt: skip


def read_benchmark(
    name: str, data_root: Path | None, *, split: Literal["train", "test"], download: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one split of a benchmark.

    Returns:
        Pictures (count, height, width), uint8, and labels (count,), int64.

    Raises:
        DataError: the files are not there, or are not what they should be.
    """
    facts = BENCHMARKS[name]
    if data_root is None:
        raise DataError(f"{name} needs --data-root, the folder that holds {facts.folder}/raw")
    if download:
        _download(facts, data_root)
    stem = "train" if split == "train" else "t10k"
    raw = data_root / facts.folder / "raw"
    images = _read_idx(raw, f"{stem}-images-idx3-ubyte", dimensions=3)
    labels = _read_idx(raw, f"{stem}-labels-idx1-ubyte", dimensions=1)
    return images, labels.astype(np.int64)


def _read_idx(raw: Path, name: str, *, dimensions: int) -> NDArray[np.uint8]:
    """Read one idx file: a magic number, its sizes (big-endian), then unsigned bytes."""
    for path in (raw / f"{name}.gz", raw / name):
        if path.is_file():
            break
    else:
        raise DataError(
            f"no {name}(.gz) in {raw}; point --data-root at the folder that holds "
            f"{raw.parent.name}/raw, or add --download where there is a network"
        )
    try:
        data = gzip.decompress(read(path)) if path.suffix == ".gz" else read(path)
        magic, *sizes = struct.unpack_from(f">{1 + dimensions}I", data)
    except (OSError, EOFError, struct.error) as error:
        raise DataError(f"{path} is not a readable idx file: {error}") from error
    body = np.frombuffer(data, dtype=np.uint8, offset=4 * (1 + dimensions))
    if magic != 0x0800 + dimensions or math.prod(sizes) != len(body):
        raise DataError(f"{path} is not an idx file of {dimensions} dimensions; fetch it again")
    return body.reshape(sizes).copy()  # frombuffer's own array cannot be written to


def _download(facts: Benchmark, data_root: Path) -> None:
    import torchvision

    try:
        getattr(torchvision.datasets, facts.folder)(str(data_root), download=True)
    except (RuntimeError, OSError) as error:
        raise DataError(f"torchvision could not download {facts.folder}: {error}") from error
