"""File to verdict: seven numbered steps, each with a finding in words; never imports torch.

    1. manifest    Is there a C2PA manifest, and can it be read?
    2. integrity   Is every byte that it protects unchanged, here and in its ingredients?
    3. signer      Is whoever signed it on the list of trust that was given?
    4. fingerprint Does the picture look like the one that was described?
    5. ledger      Was exactly this file released?
    6. privacy     Does the claimed epsilon follow from the listed events?
    7. policy      Did a policy allow it, with every rule passed?

A step that has nothing to look at is `not_checked`, which is neither good nor bad. A file with a
failed step is `invalid`, however good its signature is; only a signer who is not on the list leaves
it `valid`, because that says nothing against the file.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

from safegen import storage
from safegen.errors import InputError, SafegenError, StorageError
from safegen.pipeline import steps
from safegen.pipeline.steps import Evidence
from safegen.progress import Progress, silent
from safegen.provenance.manifest import Manifest, UnreadableManifestError, read
from safegen.provenance.signer import read_anchors
from safegen.provenance.trust import trust_in
from safegen.records.names import (
    CERTIFICATE,
    CONFIG,
    MODEL_MANIFEST,
    WEIGHTS,
    receipt_beside,
)
from safegen.records.receipt import AnyReceipt, read_receipt
from safegen.records.verdict import State, StepFinding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST = 2**30  # bytes; a file is held in memory while it is looked at
MEDIA = {"image", "video", "audio"}
SIGNATURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


def verify(
    path: str | Path, *, trust: str | Path | None = None, ledger: str | Path | None = None
) -> Verdict:
    """Verify one file, ours or anybody's.

    Args:
        path: the file.
        trust: PEM certificates of the roots to trust; without them nobody vouches for a signer.
        ledger: the log that released files are in; a path or an SQLAlchemy URL.

    Returns:
        The verdict. Whatever is wrong with the file is a finding in it, never an exception.

    Raises:
        InputError: there is no such file.
        KeyMaterialError: `trust` holds no certificates.
        StorageError: the ledger cannot be read.
    """
    return verify_tree([path], trust=trust, ledger=ledger)[0]


def verify_tree(
    paths: Iterable[str | Path],
    *,
    trust: str | Path | None = None,
    ledger: str | Path | None = None,
    progress: Progress = silent,
) -> tuple[Verdict, ...]:
    """Verify files, and all media files below folders.

    Args:
        paths: files and folders. In a folder, files of other kinds (receipts, keys, pages) are
            passed over; a file that is named is always looked at.
        trust: as in `verify`.
        ledger: as in `verify`.
        progress: told after each file.

    Raises:
        InputError: a path does not exist, or there is nothing to verify.
        KeyMaterialError: `trust` holds no certificates.
        StorageError: the ledger cannot be read.
    """
    anchors = None if trust is None else read_anchors(Path(trust))
    log = None if ledger is None else _open_ledger(ledger)
    files = [file for path in paths for file in _files(Path(path))]
    if not files:
        raise InputError("nothing to verify: the folders hold no pictures, sounds or models")
    verdicts = []
    for done, file in enumerate(files, start=1):
        verdicts.append(_verify(file, anchors, log))
        progress("verifying", done, len(files))
    return tuple(verdicts)


def _verify(path: Path, anchors: bytes | None, ledger: steps.Log | None) -> Verdict:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return _unread(path, "unreadable", f"Not a regular file of at most {LARGEST:,} bytes")
        data = storage.read(path)
    except (OSError, StorageError) as error:
        return _unread(path, "unreadable", str(error))
    try:
        manifest = read(data, _mime(path, data), trust=trust_in(anchors), beside=_beside(path))
    except UnreadableManifestError as error:
        return _unread(path, error.problem, str(error))
    evidence = Evidence(
        data=data,
        manifest=manifest,
        anchors=anchors,
        ledger=ledger,
        receipt=_receipt(path),
        has_receipt=receipt_beside(path).is_file(),
        package=_package_files(path),
    )
    findings = tuple(
        _take(step, name, evidence) for step, name in zip(steps.ALL, steps.NAMES, strict=True)
    )
    return Verdict(path=str(path), state=_state(manifest, findings), findings=findings)


def _take(step: steps.Step, name: str, evidence: Evidence) -> StepFinding:
    """Take a step; whatever a hostile file makes it raise is a finding against that file."""
    try:
        return step(evidence)
    except SafegenError:
        raise
    except Exception as error:  # noqa: BLE001 - one file must not take down the others' verdicts
        text = f"This step could not be finished on this file ({type(error).__name__})."
        return StepFinding(step=name, outcome="failed", text=text)


def _state(manifest: Manifest, findings: tuple[StepFinding, ...]) -> State:
    if any(finding.outcome == "failed" for finding in findings if finding.step != "signer"):
        return "invalid"
    return "trusted" if manifest.state == "Trusted" else "valid"


def _unread(path: Path, state: State, reason: str) -> Verdict:
    """A file without a readable manifest: the first step fails, and no other can be taken."""
    first = StepFinding(step="manifest", outcome="failed", text=f"{reason}.")
    rest = tuple(
        StepFinding(step=name, outcome="not_checked", text="There is no manifest to check.")
        for name in steps.NAMES[1:]
    )
    return Verdict(path=str(path), state=state, findings=(first, *rest))


def _files(path: Path) -> Iterator[Path]:
    """A file itself, or the media files below a folder, in order."""
    try:
        found = path.exists()
    except OSError as error:
        raise InputError(f"no file or folder of that name: {error.strerror}") from error
    if not found:
        raise InputError(f"no file or folder {path}; check its name")
    if path.is_dir():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file() and _is_media(file))
    else:
        yield path


def _is_media(path: Path) -> bool:
    kind = mimetypes.guess_type(path.name)[0] or ""
    if kind.partition("/")[0] in MEDIA or _beside(path) is not None:
        return True
    try:
        with path.open("rb") as file:
            return _kind_of(file.read(12)) is not None
    except OSError:
        return True  # it will be called unreadable, not passed over


def _mime(path: Path, data: bytes) -> str:
    """The media type by the file's first bytes, or else by its name."""
    named = mimetypes.guess_type(path.name)[0]
    return _kind_of(data) or named or "application/octet-stream"


def _kind_of(data: bytes) -> str | None:
    """The media type that a file's first bytes tell."""
    for start, mime in SIGNATURES.items():
        if data.startswith(start) and (mime != "image/webp" or data[8:12] == b"WEBP"):
            return mime
    return None


def _beside(path: Path) -> bytes | None:
    """A model's weights have their manifest in a file beside them."""
    manifest = path.with_name(MODEL_MANIFEST)
    if path.name != WEIGHTS or not manifest.is_file():
        return None
    return storage.read(manifest)


def _package_files(path: Path) -> dict[str, Path]:
    """The files that a model's manifest speaks of beside its weights."""
    if path.name != WEIGHTS:
        return {}
    return {
        "weights": path,
        "config": path.with_name(CONFIG),
        "certificate": path.with_name(CERTIFICATE),
    }


def _receipt(path: Path) -> AnyReceipt | None:
    """The receipt beside a file; None when there is none, or none that can be read."""
    try:
        return read_receipt(storage.read(receipt_beside(path)))
    except (ValueError, StorageError):
        return None


def _open_ledger(location: str | Path) -> steps.Log:
    """Open a log to read; SQLAlchemy is imported only here, because it takes its time."""
    from safegen.provenance.ledger import Ledger

    return Ledger(location, to_read=True)
