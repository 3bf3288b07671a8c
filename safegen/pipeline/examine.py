"""One file to its verdict: the only part of verification that loads C2PA's reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import SafegenError, StorageError
from safegen.pipeline import evidence as looked_at
from safegen.pipeline import steps
from safegen.pipeline.files import UnfitFileError, content_of, shown
from safegen.pipeline.findings import found
from safegen.pipeline.made_from import findings_of
from safegen.pipeline.unread import LARGEST, unread
from safegen.provenance import formats, sidecar
from safegen.provenance.manifest import Manifest, UnreadableManifestError, read
from safegen.records.verdict import SignerFinding, StampFinding, State, StepFinding, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.pipeline.evidence import Evidence, Log
    from safegen.provenance.trust import Trust

SHORT = {
    "safegen.signer.no-list": "Nothing in it was changed, but nobody vouches for its signer.",
    "safegen.signer.unknown": "Nothing in it was changed, but its signer is on none of your lists.",
}
UNKNOWN_ORIGIN = (
    "Its signer is on your list, but nobody whom you trust vouches for something that it was made "
    "from: name the root of who signed that, or of who time-stamped it (--time-trust)."
)
PROBLEMS = {
    "unsigned": "safegen.manifest.none",
    "unsupported": "safegen.manifest.unsupported",
    "unreadable": "safegen.manifest.unreadable",
}


def examine(
    path: Path, trust: Trust | None, ledger: Log | None, *, strict: bool = False
) -> Verdict:
    """Verify one file; whatever is wrong with it is a finding.

    Args:
        path: the file.
        trust: the lists that were given, or None.
        ledger: the log of releases, or None.
        strict: whether what is otherwise a warning fails.

    Raises:
        StorageError: the ledger cannot be read.
    """
    try:
        data = content_of(path, LARGEST)
    except FileNotFoundError:
        return unread(path, "safegen.manifest.no-file", "It leads to no file.")
    except UnfitFileError as error:
        code = "safegen.manifest.too-large" if error.too_large else "safegen.manifest.no-file"
        return unread(path, code, str(error))
    if path.suffix == sidecar.SUFFIX:
        text = "It is a manifest itself; name the file that it lies beside."
        return unread(path, "safegen.manifest.unsupported", text, "unsupported")
    try:
        manifest, beside = _manifest(path, data, trust)
    except UnreadableManifestError as error:
        return unread(path, PROBLEMS[error.problem], f"{_capital(str(error))}.", error.problem)
    receipt, receipt_problem = looked_at.receipt_of(path)
    evidence = looked_at.Evidence(
        data=data,
        manifest=manifest,
        beside=beside,
        trust=trust,
        ledger=ledger,
        receipt=receipt,
        receipt_problem=receipt_problem,
        package=looked_at.package_files(path),
        strict=strict,
    )
    return _verdict(path, evidence)


def _manifest(path: Path, data: bytes, trust: Trust | None) -> tuple[Manifest, Path | None]:
    """The manifest in a file, or else the one beside it, with the place of that."""
    mime = formats.mime_of(path.name, data)
    try:
        return read(data, mime, trust=trust), None
    except UnreadableManifestError as error:
        if error.problem == "unreadable" and formats.embeds(mime):
            raise
        try:
            aside = sidecar.find(path, data)
        except StorageError as unreadable:
            raise UnreadableManifestError("unreadable", str(unreadable)) from error
        if aside is None:
            raise
    place, store = aside
    return read(data, mime, trust=trust, beside=store), place


def _verdict(path: Path, evidence: Evidence) -> Verdict:
    manifest, stamp = evidence.manifest, evidence.manifest.time_stamp
    findings = tuple(
        _take(step, name, evidence) for step, name in zip(steps.ALL, steps.NAMES, strict=True)
    )
    state = _state(manifest, findings)
    return Verdict(
        path=shown(path),
        state=state,
        text=_summary(state, findings),
        signer=SignerFinding(name=manifest.signer, trusted_by=manifest.trusted_by),
        time_stamp=None
        if stamp is None
        else StampFinding(time=stamp.time, authority=stamp.authority, trusted_by=stamp.trusted_by),
        manifest_beside=None if evidence.beside is None else shown(evidence.beside),
        ingredients=findings_of(manifest.ingredients),
        findings=findings,
    )


def _take(step: steps.Step, name: str, evidence: Evidence) -> StepFinding:
    """Take a step; whatever a hostile file makes it raise is a finding against that file."""
    try:
        return step(evidence)
    except SafegenError:
        raise
    except Exception as error:  # noqa: BLE001 - one file must not take down the others' verdicts
        text = f"This step could not be finished on this file ({type(error).__name__})."
        return found(f"safegen.{name}.unfinished", text)


def _state(manifest: Manifest, findings: tuple[StepFinding, ...]) -> State:
    failed = {finding.codes[0] for finding in findings if finding.outcome == "failed"}
    if failed - {"safegen.signer.unknown"} or manifest.state == "Invalid":
        return "invalid"
    return "trusted" if manifest.state == "Trusted" else "valid"


def _summary(state: State, findings: tuple[StepFinding, ...]) -> str:
    """What matters most: the first thing that failed, or else who signed, and any warning."""
    if state == "invalid":
        failed = [finding for finding in findings if finding.outcome == "failed"]
        against = [finding for finding in failed if finding.codes[0] != "safegen.signer.unknown"]
        return (against or failed or list(findings))[0].text
    signer = next(finding for finding in findings if finding.step == "signer")
    unknown = state == "valid" and signer.outcome == "passed"
    who = UNKNOWN_ORIGIN if unknown else SHORT.get(signer.codes[0], signer.text)
    return " ".join([who, *(each.text for each in findings if each.outcome == "warned")])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
