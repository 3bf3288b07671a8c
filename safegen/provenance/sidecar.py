"""Manifests that lie beside their file: where they are written, and how they are found again.

`data.csv` has its manifest in `data.csv.c2pa`. When the file or the manifest was renamed, the
manifest is still found among the others in the folder: it holds the file's SHA-256.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING

from safegen.records.names import MODEL_MANIFEST, WEIGHTS
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SUFFIX = ".c2pa"
LARGEST = 2**26  # bytes; a manifest store is a few kilobytes
MOST = 1000  # manifests in one folder that are looked through

Sidecar = tuple["Path", bytes]


def beside(path: Path) -> Path:
    """Where a file's manifest is written.

    >>> from pathlib import Path
    >>> beside(Path("out/data.csv")).as_posix()
    'out/data.csv.c2pa'
    """
    return path.with_name(f"{path.name}{SUFFIX}")


def find(path: Path, data: bytes) -> Sidecar | None:
    """The manifest that belongs to a file, by the file's digest or else by its name.

    Args:
        path: the file.
        data: its content.

    Returns:
        The manifest's path and content. One that is found by its name alone is another file's, or
        the file was changed since; None when there is none at all.
    """
    digest = hashlib.sha256(data).digest()
    named = list(_stores(_names(path)))
    others = (other for other in _others(path) if other not in _names(path))
    for candidate, store in (*named, *_stores(islice(others, MOST))):
        if digest in store:
            return candidate, store
    return named[0] if named else None


def _names(path: Path) -> list[Path]:
    """By name, best first."""
    names = [beside(path), path.with_suffix(SUFFIX)]
    return [path.with_name(MODEL_MANIFEST), *names] if path.name == WEIGHTS else names


def _others(path: Path) -> Iterator[Path]:
    return (other for other in sorted(path.parent.glob(f"*{SUFFIX}")) if other != path)


def _stores(paths: Iterable[Path]) -> Iterator[Sidecar]:
    for path in paths:
        try:
            readable = path.is_file() and path.stat().st_size <= LARGEST
        except OSError:
            readable = False
        if readable:
            yield path, read(path)
