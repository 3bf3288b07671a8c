"""Manifests that lie beside their file: where they are written, and how they are found again.

`data.csv` has its manifest in `data.csv.c2pa`. When the file or the manifest was renamed, the
manifest is still found among the others in the folder: it holds the file's SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
from itertools import islice
from typing import TYPE_CHECKING

from safegen.errors import StorageError
from safegen.schemas.names import MODEL_MANIFEST, WEIGHTS
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SIDECAR_SUFFIX = ".c2pa"
MAX_SIDECAR_BYTES = 2**26  # bytes; a manifest store is a few kilobytes
MAX_SIDECARS = 1000  # manifests in one folder that are looked through, and
MAX_TOTAL_BYTES = 2**28  # bytes of them

Sidecar = tuple["Path", bytes]


def beside(path: Path) -> Path:
    """Where a file's manifest is written.

    >>> from pathlib import Path
    >>> beside(Path("out/data.csv")).as_posix()
    'out/data.csv.c2pa'
    """
    return path.with_name(f"{path.name}{SIDECAR_SUFFIX}")


def find(path: Path, data: bytes, *, by_name: bool = False) -> Sidecar | None:
    """The manifest that belongs to a file, by the file's digest or else by its name.

    Args:
        path: the file; where it is a link, the manifest may also lie beside what it leads to.
        data: its content.
        by_name: whether those of other names are left alone; looking through them takes a while.

    Returns:
        The manifest's path and content. One that is found by its name alone is another file's, or
        the file was changed since; None when there is none at all.

    Raises:
        StorageError: a manifest of that name cannot be read.
    """
    digest = hashlib.sha256(data).digest()
    names = _names(path)
    named = [(name, read(name)) for name in names if _readable(name)]
    others = () if by_name else (other for other in _others(path) if other not in names)
    for candidate, store in (*named, *_stores(islice(others, MAX_SIDECARS))):
        if digest in _active(store):
            return candidate, store
    return named[0] if named else None


def _names(path: Path) -> list[Path]:
    """By name, best first."""
    names = [beside(path), path.with_suffix(SIDECAR_SUFFIX)]
    if path.name == WEIGHTS:
        names.insert(0, path.with_name(MODEL_MANIFEST))
    if path.is_symlink():
        names += _names(path.resolve())
    return [name for name in names if name != path]


def _others(path: Path) -> Iterator[Path]:
    return (other for other in sorted(path.parent.glob(f"*{SIDECAR_SUFFIX}")) if other != path)


def _stores(paths: Iterable[Path]) -> Iterator[Sidecar]:
    left = MAX_TOTAL_BYTES
    for path in paths:
        with contextlib.suppress(StorageError):  # a stranger's that cannot be read tells nothing
            if left > 0 and _readable(path):
                store = read(path)
                left -= len(store)
                yield path, store


def _readable(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size <= MAX_SIDECAR_BYTES
    except OSError:
        return False


def _active(store: bytes) -> bytes:
    """The last manifest in a store, which is the file's own; those before are its ingredients'.

    A store is a JUMBF box (ISO 19566-5) of boxes, each with its length in front; all of what is no
    such thing counts.
    """
    at, last = 8, 0
    while 8 <= at <= len(store) - 8:
        length = int.from_bytes(store[at : at + 4], "big")
        if length < 8:
            return store
        at, last = at + length, at
    return store[last:]
