"""Which files to look at: files, folders and patterns, each file once, in a stable order."""

from __future__ import annotations

import codecs
import errno
import mmap
import os
import stat
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.errors import InputError, StorageError
from safegen.provenance.c2pa.sidecar import SIDECAR_SUFFIX, find
from safegen.provenance.media.formats import is_media, promises
from safegen.provenance.media.kinds import HEAD_BYTES, ZIP_MIME, kind_of
from safegen.schemas.names import MODEL_MANIFEST, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GLOB_CHARACTERS = "*?["
MAX_SEARCHED_BYTES = 2**26  # bytes of a file whose manifest may have another name
ARCHIVED_MANIFEST = b"META-INF/content_credential.c2pa"  # C2PA 2.2, "Embedding manifests into ZIP"
# Bytes at the end of an archive, in which its list of contents is sought.
MAX_DIRECTORY_BYTES = 2**24
_TO_LOOK = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFiles:
    """What people meant.

    Attributes:
        files: to look at, each once, in the order in which they were named.
        passed_over: what lies in the folders beside them and can carry no manifest.
    """

    files: tuple[Path, ...]
    passed_over: tuple[Path, ...]


def files_in(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """The files to look at, as `look_through` finds them.

    Raises:
        InputError: something is not there, a pattern matches nothing, or nothing is left to do.
    """
    return look_through(paths).files


def look_through(paths: Iterable[str | Path]) -> FoundFiles:
    """The files that people meant, each once, in the order in which they were named.

    Args:
        paths: files, folders to look through, and patterns with `*`, `?`, `[...]` and `**`; a
            `Path` is never a pattern, and neither is the name of something that is there.

    Raises:
        InputError: something is not there, a pattern matches nothing, or nothing is left to do.
    """
    found: dict[str, Path] = {}
    others: dict[str, Path] = {}
    for path in paths:
        for file, counts in _meant(path):
            place = os.path.abspath(file)  # noqa: PTH100 - a link is a name of its own
            (found if counts else others).setdefault(place, file)
    if not found:
        raise InputError(
            "nothing to verify: the folders hold no pictures, sounds or models, and nothing that "
            "has its manifest beside it"
        )
    left = tuple(path for place, path in others.items() if place not in found)
    return FoundFiles(files=tuple(found.values()), passed_over=left)


def names_in(data: bytes, *, null: bool = False) -> tuple[Path, ...]:
    r"""Paths from a list, one a line or separated by NUL; any bytes that the system allows.

    Lines end as on any system, and a mark of UTF-8 may stand in front. A name that ends in a
    carriage return, or has a line break in it, can only be given in a list separated by NUL.

    Raises:
        InputError: lines are asked for, and it is a list of another kind.

    >>> [path.name for path in names_in(b"a.png\r\nb c.png\n")]
    ['a.png', 'b c.png']
    """
    if null:
        return tuple(Path(os.fsdecode(name)) for name in data.split(b"\0") if name)
    if b"\0" in data:
        raise InputError(
            "the list of files has bytes of zero in it: give --null where they separate names, or "
            "save the list as UTF-8"
        )
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    names = (line.removesuffix(b"\r") for line in lines)
    return tuple(Path(os.fsdecode(name)) for name in names if name)


def shown(path: str | Path) -> str:
    r"""A path as text; bytes that are no UTF-8 are written as `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def too_large(size: int, largest: int) -> str:
    """That a file has more bytes than are looked at, in a sentence."""
    return f"It has {size:,} bytes, and at most {largest:,} are looked at."


class UnfitFileError(Exception):
    """A file cannot be held in memory: there is none, it is none, or it is too large.

    Attributes:
        too_large: whether it is the last.
    """

    def __init__(self, text: str, *, too_large: bool = False) -> None:
        super().__init__(text)
        self.too_large = too_large


def content_of(path: Path, largest: int) -> bytes:
    """The whole of a regular file; what is looked at is what was opened, whatever comes after.

    Args:
        path: of the file; a pipe or a device is not waited for.
        largest: bytes that it may have.

    Raises:
        FileNotFoundError: there is nothing of that name.
        UnfitFileError: it cannot be read, or should not.
    """
    try:
        handle = os.open(path, _TO_LOOK)
        with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 - of a handle
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise UnfitFileError("It is not a regular file.")
            if found.st_size > largest:
                raise UnfitFileError(too_large(found.st_size, largest), too_large=True)
            return file.readall()
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # nothing can be called so, hence nothing is
            raise FileNotFoundError(error.errno, error.strerror, path) from error
        reason = (error.strerror or str(error)).lower()
        raise UnfitFileError(f"It cannot be read: {reason}.") from error


def _meant(path: str | Path) -> Iterator[tuple[Path, bool]]:
    """What one path means: a file itself, what a pattern matches, or what lies below a folder.

    With each file, whether it is to be looked at; in a folder, not everything is.
    """
    place = Path(path)
    if os.path.lexists(place):
        yield from (_below_folder(place) if _is_folder(place) else [(place, True)])
    elif isinstance(path, str) and any(letter in path for letter in GLOB_CHARACTERS):
        matched = list(_matches(place))
        if not matched:
            raise InputError(f"no file matches {path}; correct the pattern, or quote it as it is")
        for match in matched:
            yield from (_below_folder(match) if _is_folder(match) else [(match, True)])
    else:
        raise InputError(f"no file or folder {path}; check its name")


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - never raises, whatever the name


def _below_folder(folder: Path) -> Iterator[tuple[Path, bool]]:
    """The files below a folder, sorted; links to folders are not followed, so it ends.

    A folder that may not be read is given itself: it will be called unreadable, not passed over.
    """
    barred: list[Path] = []

    def bar(error: OSError) -> None:
        barred.append(Path(error.filename))

    for root, folders, files in os.walk(folder, onerror=bar):
        yield from ((path, True) for path in barred)
        barred.clear()
        folders.sort()
        here, names = Path(root), set(files)
        yield from ((here / name, _counts(here / name, names)) for name in sorted(files))
    yield from ((path, True) for path in barred)


def _counts(path: Path, beside: set[str]) -> bool:
    """Whether a file in a folder can be signed: by its first bytes, its name or what lies by it."""
    manifests = {f"{path.name}{SIDECAR_SUFFIX}", f"{path.stem}{SIDECAR_SUFFIX}"} - {path.name}
    if path.name == WEIGHTS:
        manifests.add(MODEL_MANIFEST)
    if promises(path.name) or (path.suffix != SIDECAR_SUFFIX and beside & manifests):
        return True
    try:
        if not path.is_file():
            return False  # nor does its name promise anything
        with path.open("rb") as file:
            kind = kind_of(file.read(HEAD_BYTES))
        if is_media(kind or "") or (kind == ZIP_MIME and _holds_manifest(path)):
            return True
    except OSError:
        return True  # it will be called unreadable, not passed over
    return path.suffix != SIDECAR_SUFFIX and _is_described(path, beside)


def _holds_manifest(path: Path) -> bool:
    """Whether an archive names a manifest among its contents, whole or broken as it may be."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return content.rfind(ARCHIVED_MANIFEST, max(0, len(content) - MAX_DIRECTORY_BYTES)) >= 0


def _is_described(path: Path, beside: set[str]) -> bool:
    """Whether a manifest of another name in the folder is this file's, by its digest."""
    if not any(name.endswith(SIDECAR_SUFFIX) and name != MODEL_MANIFEST for name in beside):
        return False
    try:
        return find(path, content_of(path, MAX_SEARCHED_BYTES)) is not None
    except (OSError, UnfitFileError, StorageError):
        return False


def _matches(pattern: Path) -> Iterator[Path]:
    """What matches a pattern, sorted; `**` stands for any folders, hidden ones too, no links."""
    parts = pattern.parts
    fixed = next(
        i for i, part in enumerate(parts) if any(letter in part for letter in GLOB_CHARACTERS)
    )
    yield from _below(Path(*parts[:fixed]), parts[fixed:])


def _below(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _below(folder, rest or ("*",))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(folder / entry.name, parts)
        return
    for entry in entries:
        if not fnmatchcase(entry.name, first):
            continue
        if not rest:
            yield folder / entry.name
        elif _is_folder(folder / entry.name):
            yield from _below(folder / entry.name, rest)
