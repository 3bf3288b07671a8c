"""A file of one's own to a signed one: what it was before becomes its ingredient, never dropped.

1. Find its history: its own manifest, or that of the file it was made from.
2. Refuse a history that does not hold.
3. Sign, and read back.
4. Log.
5. Write: the old file is there until the new one is whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from safegen import storage
from safegen.errors import InputError, StorageError
from safegen.provenance import formats, sidecar
from safegen.provenance.claims import (
    SOURCE_TYPES,
    Claim,
    Ingredient,
    created_claim,
    edited_claim,
)
from safegen.provenance.ledger import Ledger
from safegen.provenance.manifest import Manifest, UnreadableManifestError, read
from safegen.provenance.signer import open_signer
from safegen.provenance.stamping import Stamping
from safegen.records.canonical import sha256
from safegen.records.log import LogEntry

LARGEST = 2**29  # bytes; the SDK holds a file several times over


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A file that was signed.

    Attributes:
        path: the file.
        sidecar: its manifest, where that does not go into the file; else None.
        manifest: as it was read back.
        unstamped: why a time-stamp that was asked for is missing; else None.
    """

    path: Path
    sidecar: Path | None
    manifest: Manifest
    unstamped: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file and the manifest that it has already."""

    path: Path
    data: bytes
    mime: str
    manifest: Manifest | None
    beside: bytes | None


def sign(
    path: str | Path,
    *,
    keys: str | Path = "keys",
    ledger: str | Path = "ledger.db",
    out: str | Path | None = None,
    parent: str | Path | None = None,
    source: str | None = None,
    time_stamps: str | None = None,
    stamp_required: bool = False,
) -> Signed:
    """Sign a file: an edited output, or something of one's own.

    Args:
        path: the file; signed in its place unless `out` says otherwise.
        keys: who signs.
        ledger: where it is logged.
        out: another place for the signed file.
        parent: the signed file that this one was made from, where editing lost its manifest.
        source: how it came to be, or how it was changed: a key of `claims.SOURCE_TYPES`. A file
            with a history was edited by a human unless this says otherwise; one without must say.
        time_stamps: address of a time-stamp authority (RFC 3161).
        stamp_required: whether to refuse when that does not answer.

    Raises:
        InputError: a file without a history does not say how it came to be.
        DataError: the bytes are not a whole file of their type.
        KeyMaterialError: nothing can be signed with these keys.
        StorageError: a place cannot be read or written; what was there is intact.
        TimeStampError: a time-stamp is required, and the authority gave none.
    """
    path = Path(path)
    target = path if out is None else Path(out)
    signer = open_signer(keys)
    stamping = Stamping(time_stamps, required=stamp_required)
    storage.require_writable(target.parent)
    log = Ledger(ledger)
    log.require(signer)
    # 1 and 2. Find its history.
    file = _open(path)
    before = file if file.manifest is not None else None if parent is None else _open(Path(parent))
    claim = _claim(file, before, target.name, source)
    # 3. Sign, and read back.
    if formats.embeds(file.mime):
        data, manifest = stamping.sign(file.data, claim, signer)
        store = None
    else:
        store, manifest = stamping.sign_beside(file.data, claim, signer)
        data = file.data
    # 4. Log.
    log.append([_entry(data)], signer=signer)
    # 5. Write; a manifest comes before the file that it lies beside.
    beside = None
    if store is not None:
        beside = sidecar.beside(target)
        storage.write(beside, store)
    if target != path or store is None:
        storage.write(target, data)
    return Signed(path=target, sidecar=beside, manifest=manifest, unstamped=stamping.missed)


def _open(path: Path) -> _File:
    """A file, and the manifest that it carries or that lies beside it."""
    if path.is_file() and path.stat().st_size > LARGEST:
        raise StorageError(f"{path} is larger than {LARGEST:,} bytes, the most that can be signed")
    data = storage.read(path)
    mime = formats.mime_of(path, data)
    found = None if formats.embeds(mime) else sidecar.find(path, data)
    beside = None if found is None else found[1]
    try:
        manifest = read(data, mime, beside=beside)
    except UnreadableManifestError as error:
        if error.problem == "unreadable":
            raise InputError(f"{path} carries a manifest that cannot be read: {error}") from error
        manifest = None
    return _File(path=path, data=data, mime=mime, manifest=manifest, beside=beside)


def _claim(file: _File, before: _File | None, title: str, source: str | None) -> Claim:
    if source is not None and source not in SOURCE_TYPES:
        raise InputError(f"no source {source!r}; choose {', '.join(SOURCE_TYPES)}")
    if before is None:
        if source is None:
            raise InputError(
                f"{file.path} has no manifest, so nobody knows how it came to be: say so with "
                f"--source ({', '.join(SOURCE_TYPES)}), or name the signed file that it was made "
                "from with --parent"
            )
        return created_claim(title=title, mime=file.mime, source_type=SOURCE_TYPES[source])
    return edited_claim(
        title=title,
        mime=file.mime,
        parent=_parent(before),
        source_type=SOURCE_TYPES[source or "human-edits"],
    )


def _parent(before: _File) -> Ingredient:
    """The history of a file as its successor's ingredient; one that does not hold is refused."""
    if before.manifest is None:
        raise InputError(f"{before.path} has no manifest to carry on; leave out --parent")
    broken = {**before.manifest.failures, **before.manifest.broken_ingredients}
    if before.manifest.state == "Invalid" or before.manifest.broken_ingredients:
        reasons = "; ".join(text or code for code, text in broken.items())
        raise InputError(
            f"the manifest of {before.path} does not hold ({reasons}): it was changed after it was "
            "signed. Sign a copy without it, and name the original with --parent"
        )
    return Ingredient(
        name="parent",
        title=before.path.name,
        mime=before.mime,
        relationship="parentOf",
        content=before.data,
        manifest=before.beside,
    )


def _entry(data: bytes) -> LogEntry:
    return LogEntry(
        kind="edited",
        file_digest=sha256(data),
        model_digest=None,
        policy_digest=None,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
