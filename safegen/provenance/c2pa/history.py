"""What a file was before it is signed: its own manifest, or that of the file it was made from."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen import storage
from safegen.errors import DataError, InputError, StorageError
from safegen.provenance.c2pa import sidecar
from safegen.provenance.c2pa.claims import Ingredient
from safegen.provenance.c2pa.manifest import EXPIRED, UNTRUSTED, Manifest, UnreadableManifestError
from safegen.provenance.c2pa.manifest_choice import choose
from safegen.provenance.media import formats

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.provenance.keys.trust import Trust

# Bytes; the SDK holds a file several times over, and no more can be verified.
MAX_FILE_BYTES = 2**28


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file and the manifest that it has already.

    Attributes:
        path: the file.
        data: its content.
        mime: its media type.
        mode: its permission bits.
        manifest: what it has; None when it has none.
        beside: the manifest's path and content, where it is not in the file.
    """

    path: Path
    data: bytes
    mime: str
    mode: int
    manifest: Manifest | None
    beside: sidecar.Sidecar | None


def followed(path: Path) -> Path:
    """What a link leads to: that is signed, and the link stays."""
    try:
        return path.resolve() if path.is_symlink() else path
    except OSError:  # whoever opens it says in words what is wrong
        return path


def open_file(path: Path, trust: Trust | None = None) -> File:
    """A file, and the manifest that it carries or that lies beside it.

    Args:
        path: the file.
        trust: whose signatures and time-stamps are believed.

    Raises:
        DataError: it is empty, or a manifest is there and cannot be read.
        InputError: it is no ordinary file.
        StorageError: it is missing, too large, or cannot be read.
    """
    data, mode = _read(path)
    if not data:
        raise DataError(f"{path} is empty; there is nothing to sign")
    mime = formats.mime_of(path, data)
    try:
        chosen = choose(path, data, mime, trust)
    except UnreadableManifestError as error:
        _require_none(path, error)
        return File(path=path, data=data, mime=mime, mode=mode, manifest=None, beside=None)
    return File(
        path=path,
        data=data,
        mime=mime,
        mode=mode,
        manifest=chosen.manifest,
        beside=chosen.beside,
    )


def _require_none(path: Path, error: UnreadableManifestError) -> None:
    """Refuse what has a manifest that cannot be read: its history would be dropped."""
    if error.problem == "remote":
        raise InputError(
            f"{path} has a history that cannot be read: {error}; fetch that, and lay it beside the "
            f"file as {sidecar.beside(path).name}"
        ) from error
    if error.problem in {"unreadable", "refused"}:
        raise DataError(f"{path} cannot be signed: {error}; use an intact copy of it") from error


def _read(path: Path) -> tuple[bytes, int]:
    """A file's content and permission bits."""
    try:
        found = path.stat()
    except OSError:
        return storage.read(path), 0  # which says in words what is wrong
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path} is no ordinary file; name one")
    if found.st_size > MAX_FILE_BYTES:
        raise StorageError(
            f"{path} is larger than {MAX_FILE_BYTES:,} bytes, the most that can be signed"
        )
    return storage.read(path), stat.S_IMODE(found.st_mode)


def history(file: File, parent: File | None) -> Ingredient:
    """What a file was made from; a history that does not hold is refused.

    One that editing broke may be replaced by the original that it speaks of.
    """
    if parent is None:
        return _ingredient(file, "name the intact original that it was made from with --parent")
    if parent.manifest is None:
        raise InputError(f"{parent.path} has no manifest to carry on; leave out --parent")
    if file.manifest is not None and _fault(file.manifest) is None:
        raise InputError(f"{file.path} has a manifest of its own to carry on; leave out --parent")
    return _ingredient(parent, "name an intact original with --parent")


def _ingredient(before: File, way_out: str) -> Ingredient:
    fault = None if before.manifest is None else _fault(before.manifest)
    if fault is not None:
        where = before.path if before.beside is None else before.beside[0]
        raise InputError(f"the manifest in {where} does not hold ({fault}): {way_out}")
    return Ingredient(
        name="parent",
        title=before.path.name,
        mime=before.mime,
        relationship="parentOf",
        content=before.data,
        manifest=None if before.beside is None else before.beside[1],
    )


def _fault(manifest: Manifest) -> str | None:
    """Why a manifest cannot be carried on; that nobody here knows its signer is no reason."""
    false = [each for each in manifest.identities if each.state == "broken"]
    if false:
        return f"it says falsely that {false[0].name} stands for it"
    if manifest.state != "Invalid" and not manifest.broken_ingredients and not manifest.declared:
        return None
    broken = {**manifest.failures, **manifest.broken_ingredients, **manifest.declared}
    broken.pop(UNTRUSTED, None)
    if broken.keys() == {EXPIRED}:
        return (
            "its signer's certificate has expired, and no time-stamp is believed: see --time-trust"
        )
    return "; ".join(text or code for code, text in broken.items())
