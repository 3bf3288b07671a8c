"""Files that are either the old ones or the whole new ones, whatever happens in between."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` to `path`, as `write_parts` does.

    Raises:
        StorageError: the folder cannot be written; what was at `path` is untouched.
    """
    write_parts(path, [data], mode=mode)


def write_parts(path: Path, parts: Iterable[bytes], *, mode: int = 0o644) -> None:
    """Write a file so that a crash leaves the old one or the new one, never a part of it.

    Args:
        path: the final name; its folder is made when it is missing.
        parts: the content, in order; when getting one fails, nothing is written.
        mode: permission bits of the new file.

    Raises:
        StorageError: the folder cannot be written; what was at `path` is untouched.
    """
    make_folder(path.parent)
    try:
        # Of the name only the beginning: a whole one may be as long as names can be.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:32]}.")
    except OSError as error:
        raise StorageError(_sentence("write to", path.parent, error)) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one, by name
        _sync_folder(path.parent)
    except BaseException as error:  # an interruption leaves nothing behind either
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        if isinstance(error, OSError):
            raise StorageError(_sentence("write", path, error)) from error
        raise


@contextlib.contextmanager
def new_file(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """A file for somebody else's writer, who takes a name: `path` is it when all went well.

    Args:
        path: the final name, which nothing may have; its folder is made when it is missing.
        mode: permission bits of the new file.

    Yields:
        An empty file's path in the same folder.

    Raises:
        StorageError: there is something of that name, or the folder cannot be written; nothing of
            the new file is left.
    """
    make_folder(path.parent)
    _require_free(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:32]}.")
    except OSError as error:
        raise StorageError(_sentence("write to", path.parent, error)) from error
    temporary = path.with_name(os.path.basename(name))  # noqa: PTH119 - of a name alone
    try:
        with os.fdopen(handle, "r+b") as file:
            yield temporary
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        with exclusive_lock(path.parent):
            _require_free(path)
            os.replace(temporary, path)  # noqa: PTH105 - the atomic one, by name
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(_sentence("write", path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise StorageError(f"{path} is there already, and is never replaced; name a new file")


def write_new(path: Path, data: bytes, *, mode: int = 0o644, becoming: Path | None = None) -> None:
    """Write a file that is not there yet, down to the disk; its folder's entry is synced apart.

    Args:
        path: its name.
        data: its content.
        mode: its permission bits.
        becoming: the name that it is to have in the end, which an error speaks of.

    Raises:
        StorageError: it cannot be written, or something has that name.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(_sentence("write", becoming or path, error)) from error


def rename(source: Path, target: Path) -> None:
    """Give a file another name on the same disk, at once.

    Raises:
        StorageError: both are as they were.
    """
    try:
        os.replace(source, target)  # noqa: PTH105 - the atomic one, by name
    except OSError as error:
        raise StorageError(_sentence("write", target, error)) from error


def make_hidden(folder: Path, prefix: str) -> Path:
    """A new folder in `folder`, for its owner alone, with a name that nothing else has.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        return Path(tempfile.mkdtemp(dir=folder, prefix=prefix))
    except OSError as error:
        raise StorageError(_sentence("write to", folder, error)) from error


def drop_folder(path: Path) -> None:
    """Remove a folder of ours with all that is in it, as far as that can be done."""
    shutil.rmtree(path, ignore_errors=True)


def read(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        StorageError: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(_sentence("read", path, error)) from error


def make_folder(path: Path) -> None:
    """Make a folder, with its parents, unless it is there already.

    Raises:
        StorageError: the folder cannot be made, or a file stands in its place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(_sentence("make the folder", path, error)) from error


def require_writable(folder: Path) -> None:
    """Find out now, before the work, whether `folder` can take its results; make nothing.

    Raises:
        StorageError: nothing can be written there.
    """
    place = folder.absolute()
    try:
        while not place.exists():
            place = place.parent
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise StorageError(_sentence("write to", folder, error)) from error


def require_name(path: Path) -> None:
    """Find out now, before the work, whether a file can have this name; make nothing.

    Raises:
        StorageError: the name is longer than its folder takes.
    """
    folder = path.absolute().parent
    while not os.path.isdir(folder) and folder != folder.parent:  # noqa: PTH112 - never raises
        folder = folder.parent
    size, longest = len(os.fsencode(path.name)), os.pathconf(folder, "PC_NAME_MAX")
    if 0 < longest < size:
        raise StorageError(
            f"no file can be called {path.name}: that has {size} bytes, and names have {longest} "
            "at most there; choose a shorter one"
        )


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Keep out whoever else asks to be alone in a folder, in this process or another; waits.

    Raises:
        StorageError: the folder cannot be opened or locked.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StorageError(_sentence("open", folder, error)) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise StorageError(_sentence("lock", folder, error)) from error
        yield
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of files down to the disk.

    Raises:
        StorageError: the disk does not take it.
    """
    try:
        _sync_folder(folder)
    except OSError as error:
        raise StorageError(_sentence("write to", folder, error)) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sentence(verb: str, path: Path, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    way_out = {
        errno.ENOENT: "check its name",
        errno.EISDIR: "name a file",
        errno.ENAMETOOLONG: "choose a shorter one",
        errno.ENOSPC: "make room, or choose another place",
    }.get(error.errno or 0, "choose another place or change its permissions")
    return f"cannot {verb} {path}: {reason}; {way_out}"
