"""A file of one's own to a signed one: what it was before becomes its ingredient, never dropped.

1. Find its history: its own manifest, or that of the file it was made from. Whatever harms its
   reader is found out in a process of its own (`safegen.verification.harm`).
2. Refuse a history that does not hold.
3. Sign, and read back.
4. Log, unless the file was changed meanwhile.
5. Place: the old file is there until the new one is whole (`safegen.provenance.log.placing`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from safegen import storage
from safegen.arguments import checked
from safegen.config.old_names import old_names
from safegen.config.workspace import Workspace
from safegen.errors import InputError, StorageError
from safegen.provenance.c2pa import sidecar
from safegen.provenance.c2pa.claims import EDITS, SOURCE_TYPES, Claim, created_claim, edited_claim
from safegen.provenance.c2pa.history import followed, history, open_file
from safegen.provenance.c2pa.timestamps import Stamping
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.keys.trust import read_anchors, trust_in
from safegen.provenance.log import placing
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.media import formats
from safegen.schemas.canonical import sha256
from safegen.schemas.log import LogEntry
from safegen.schemas.names import receipt_beside
from safegen.verification.harm import require_harmless

if TYPE_CHECKING:
    from safegen.provenance.c2pa.history import File
    from safegen.provenance.c2pa.manifest import Manifest


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


@old_names()
@checked
def sign(
    path: str | Path,
    *,
    workspace: Workspace | None = None,
    out: str | Path | None = None,
    parent: str | Path | None = None,
    source: str | None = None,
    stamp_required: bool = False,
    time_trust: str | Path | None = None,
) -> Signed:
    """Sign a file: an edited output, or something of one's own.

    Args:
        path: the file; signed in its place unless `out` says otherwise. A link is followed.
        workspace: whose keys sign, which ledger knows of it, and who stamps it.
        out: another place for the signed file; nothing may be there. A released output needs one,
            since the receipt beside it is about that very file.
        parent: the signed file that this one was made from, where editing lost or broke its
            manifest.
        source: how it came to be, or how it was changed: a key of `claims.SOURCE_TYPES`. A file
            with a history was edited by a human unless this says otherwise; one without must say.
        stamp_required: whether to refuse when the authority for time-stamps does not answer.
        time_trust: PEM roots of time-stamp authorities to believe: a history that they stamped in
            time outlives its signer's certificate.

    Raises:
        InputError: a file without a history does not say how it came to be, or its history does
            not hold.
        DataError: the bytes are not a whole file of their type, or reading them does harm.
        KeyMaterialError: nothing can be signed with these keys.
        StorageError: a place cannot be read or written, or the file was changed while it was
            signed; what was there is intact.
        TimeStampError: a time-stamp is required, and the authority gave none.
    """
    workspace, path = workspace or Workspace(), followed(Path(path))
    target = path if out is None else Path(out)
    signer = open_signer(workspace.keys)
    times = None if time_trust is None else read_anchors(Path(time_trust))
    stamping = Stamping(workspace.timestamp_url, required=stamp_required, times=times)
    log = Ledger(workspace.ledger)
    log.require(signer)
    placing.take_up(target.parent, log)
    # 1 and 2. Find its history.
    trust = trust_in(signer.anchor, times)
    for each in (path, *(() if parent is None else (Path(parent),))):
        require_harmless(each, trust)
    file = open_file(path, trust)
    before = None if parent is None else open_file(Path(parent), trust)
    claim = _claim(file, before, target.name, source)
    _require_room(file, target)
    # 3. Sign, and read back.
    if formats.embeds(file.mime):
        data, manifest = stamping.sign(file.data, claim, signer)
        store = None
    else:
        store, manifest = stamping.sign_beside(file.data, claim, signer)
        data = file.data
    with placing.reserved(target.parent, log):
        # 4. Log, unless the file was changed meanwhile.
        if storage.read(path) != file.data:
            raise StorageError(
                f"{path} was changed while it was signed; it stays as it is now, try again"
            )
        _require_room(file, target)
        with placing.staged(target.parent, log) as stage:
            beside = None if store is None else sidecar.beside(target)
            if store is not None and beside is not None:
                stage.add(beside.name, store, mode=file.mode, over=_digest_of(beside))
            if target != path or store is None:
                over = sha256(file.data) if target == path else None
                stage.add(target.name, data, mode=file.mode, over=over)
            origin, last = str(log.origin), [target.name]  # after the manifest beside it
            log.append(
                [_entry(data)],
                signer=signer,
                before_commit=lambda _: stage.finish(origin, [sha256(data)], last=last),
            )
            # 5. Place.
            stage.release()
    return Signed(path=target, sidecar=beside, manifest=manifest, unstamped=stamping.missed)


def _require_room(file: File, target: Path) -> None:
    """Refuse to write over anything but the file itself and its own manifest."""
    storage.require_name(target)
    if target != file.path and os.path.lexists(target):
        raise StorageError(f"{target} is there already; name a new file with --out")
    receipt = receipt_beside(target)
    if os.path.lexists(receipt):
        raise StorageError(
            f"{receipt} is about {target} as it was released; name another folder with --out"
        )
    if formats.embeds(file.mime):
        return
    beside = sidecar.beside(target)
    try:
        storage.require_name(beside)
    except StorageError as error:
        text = f"the manifest of {target.name} would lie beside it, and {error}"
        raise StorageError(text) from error
    own = file.beside is not None and beside == file.beside[0] and target == file.path
    if os.path.lexists(beside) and not own:
        raise StorageError(f"{beside} is there already and is not read as its manifest; move it")


def _claim(file: File, parent: File | None, title: str, source: str | None) -> Claim:
    if source is not None and source not in SOURCE_TYPES:
        raise InputError(f"no source {source!r}; choose {', '.join(SOURCE_TYPES)}")
    if parent is None and file.manifest is None:
        if source is None:
            raise InputError(
                f"{file.path} has no manifest, so nobody knows how it came to be: say so with "
                f"--source ({', '.join(SOURCE_TYPES)}), or name the signed file that it was made "
                "from with --parent"
            )
        return created_claim(title=title, mime=file.mime, source_type=SOURCE_TYPES[source])
    made_from = history(file, parent)
    if source is not None and source not in EDITS:
        raise InputError(
            f"{file.path} has a history, so that it was edited and is no {source}; choose "
            f"{', '.join(EDITS)}"
        )
    return edited_claim(
        title=title,
        mime=file.mime,
        parent=made_from,
        source_type=SOURCE_TYPES[source or "human-edits"],
    )


def _digest_of(path: Path) -> str | None:
    """Of a file that may be replaced; None when there is none."""
    return sha256(storage.read(path)) if path.exists() else None


def _entry(data: bytes) -> LogEntry:
    return LogEntry(
        kind="edited",
        file_digest=sha256(data),
        model_digest=None,
        policy_digest=None,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
