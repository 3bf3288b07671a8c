"""Whether a folder is a package at all: a cheap question, which is asked before torch is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import DataError
from safegen.schemas.names import DIGESTS

if TYPE_CHECKING:
    from pathlib import Path


def require_package(folder: Path) -> None:
    """Refuse a folder that is no package; whether one is whole is found when it is opened.

    Raises:
        DataError: there is no such folder, or it has no package.
    """
    if not (folder / DIGESTS).is_file():
        lack = f"it has no {DIGESTS}" if folder.is_dir() else "there is no such folder"
        raise DataError(f"{folder} is not a model package: {lack}; train one first")
