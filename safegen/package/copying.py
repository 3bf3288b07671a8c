"""A package copied into another folder: whole, checked, and under its name only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen import storage
from safegen.errors import StorageError
from safegen.package import files

if TYPE_CHECKING:
    from pathlib import Path


def copy(package: Path, folder: Path) -> None:
    """Copy a package with its card and whatever else lies in it.

    Args:
        package: the folder of a package.
        folder: the new one; its parents are made when they are missing.

    Raises:
        DataError: `package` is none.
        TamperedError: a file of it is not what was packaged.
        StorageError: something has the new name, or it cannot be written; nothing is left of it.
    """
    if folder.exists() or folder.is_symlink():
        raise StorageError(f"{folder} is there already, and is never replaced; name a new folder")
    storage.make_folder(folder.parent)
    hidden = storage.make_hidden(folder.parent, ".safegen-")
    try:
        for each in sorted(package.iterdir()):
            if each.is_file():
                storage.write(hidden / each.name, storage.read(each))
        files.read(hidden)  # of the copy, so that what was read amiss is found, too
        hidden.chmod(package.stat().st_mode & 0o777)
        storage.rename(hidden, folder)
        storage.sync_folder(folder.parent)
    except BaseException:
        storage.drop_folder(hidden)
        raise
