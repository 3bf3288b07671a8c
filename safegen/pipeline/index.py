"""Files that were released before ledgers kept what recovery needs, put into a ledger's index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import InputError, TamperedError
from safegen.provenance.c2pa.manifest import UnreadableManifestError
from safegen.provenance.c2pa.manifest_choice import choose
from safegen.provenance.log.index import Kept
from safegen.provenance.log.originals import Original
from safegen.provenance.media import formats
from safegen.schemas.canonical import sha256
from safegen.schemas.names import receipt_beside
from safegen.verification.discovery import UnfitFileError, content_of, files_in
from safegen.verification.evidence import MAX_RECEIPT_BYTES
from safegen.verification.recovery.originals import FINGERPRINT, original_of
from safegen.verification.unread import MAX_FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from safegen.progress import Progress
    from safegen.provenance.log.ledger import Ledger

BATCH = 1000  # files that are kept in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What became of some files.

    Attributes:
        added: how many are in the index now and were not before.
        there: how many were in it already.
        left_out: the others, each with the reason, in sentences.
    """

    added: int
    there: int
    left_out: tuple[str, ...]


def index_released(ledger: Ledger, paths: Sequence[str | Path], progress: Progress) -> Indexed:
    """Keep manifests, receipts and fingerprints of released files that a ledger has entries of.

    A file counts only whole: with the manifest and the receipt that it was released with, and an
    entry under a signed head.

    Args:
        ledger: the log that they were released into, open to write.
        paths: files and folders.
        progress: told how far it is.

    Raises:
        InputError: something is not there, or there is nothing to look at.
        StorageError: the ledger cannot be used; what was told before is kept.
    """
    files = files_in(paths)
    added, believed = 0, 0
    left_out: list[str] = []
    for start in range(0, len(files), BATCH):
        found = []
        for place, file in enumerate(files[start : start + BATCH], start=start):
            progress("indexing", place, len(files))
            try:
                found += _originals(ledger, file)
            except (InputError, TamperedError) as error:
                left_out.append(f"{file}: {error}.")
        believed += len(found)
        added += ledger.index.keep(found)
    progress("indexing", len(files), len(files))
    return Indexed(added=added, there=believed - added, left_out=tuple(left_out))


def _originals(ledger: Ledger, file: Path) -> list[Original]:
    """What is to be kept of one file; nothing of one that is no output, such as a figure.

    Raises:
        InputError: it lacks something, or the ledger has no entry of it.
        TamperedError: what it has is not what was signed.
    """
    try:
        data = content_of(file, MAX_FILE_BYTES)
        manifest = choose(file, data, formats.mime_of(file.name, data), None).manifest
    except (UnfitFileError, UnreadableManifestError) as error:
        raise InputError(str(error).rstrip(".")) from error
    logged = ledger.look_up(sha256(data)).logged
    if logged is None:
        raise InputError("the ledger has no entry of it under a signed head")
    if logged.entry.kind != "output":
        return []
    try:
        receipt = content_of(receipt_beside(file), MAX_RECEIPT_BYTES)
    except (FileNotFoundError, UnfitFileError) as error:
        raise InputError("there is no receipt beside it") from error
    original = original_of(Kept(logged=logged, manifest=manifest.store, receipt=receipt), None)
    codes = original.codes(FINGERPRINT)
    return [
        Original(
            number=logged.proof.index,
            code=codes[0] if codes else None,
            label=original.manifest.label,
            manifest=manifest.store,
            receipt=receipt,
        )
    ]
