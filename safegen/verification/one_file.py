"""One file to its verdict: the only part of verification that loads C2PA's reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from safegen.errors import SafegenError
from safegen.provenance.c2pa.manifest import Manifest, UnreadableManifestError
from safegen.provenance.c2pa.manifest_choice import choose
from safegen.provenance.media import formats
from safegen.provenance.media.kinds import STORE_MIME
from safegen.schemas.inspection import Inspection
from safegen.schemas.verdict import (
    IdentityFinding,
    SignerFinding,
    StampFinding,
    State,
    StepFinding,
    Verdict,
)
from safegen.verification import evidence as looked_at
from safegen.verification.discovery import UnfitFileError, content_of, shown
from safegen.verification.findings import found
from safegen.verification.ingredients import findings_of
from safegen.verification.origin import origins_of
from safegen.verification.recovery.stripped import search_for
from safegen.verification.steps import order
from safegen.verification.steps.signer import UNVOUCHED
from safegen.verification.told import told_by
from safegen.verification.unread import MAX_FILE_BYTES, unread
from safegen.verification.unsigned_files import unsigned_in_package

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.provenance.c2pa.sdk import Problem
    from safegen.provenance.keys.trust import Trust
    from safegen.provenance.log.revocation import BelievedList
    from safegen.verification.evidence import Evidence, NamedLog
    from safegen.verification.upload import Upload

SHORT = {
    "safegen.signer.no-list": "Nothing in it was changed, but nobody vouches for its signer.",
    "safegen.signer.unknown": "Nothing in it was changed, but its signer is on none of your lists.",
}
MENTIONED = {"safegen.identity.unasked", "safegen.identity.unknown"}
UNKNOWN_ORIGIN = (
    "Its signer is on your list, but nobody whom you trust vouches for something that it was made "
    "from: name the root of who signed that, or of who time-stamped it (--time-trust)."
)
PROBLEMS: dict[Problem, tuple[str, State]] = {
    "unsigned": ("safegen.manifest.none", "unsigned"),
    "unsupported": ("safegen.manifest.unsupported", "unsupported"),
    "unreadable": ("safegen.manifest.unreadable", "unreadable"),
    "remote": ("safegen.manifest.remote", "unreadable"),
    "refused": ("safegen.manifest.refused", "invalid"),
}


class Choices(TypedDict, total=False):
    """What else a verification decides.

    Attributes:
        strict: whether what is otherwise a warning fails.
        released: whether it fails when nothing shows that it was released.
        revoked: revocation lists that are believed.
    """

    strict: bool
    released: bool
    revoked: tuple[BelievedList, ...]


def verify_file(
    file: Path | Upload,
    trust: Trust | None,
    ledgers: tuple[NamedLog, ...] = (),
    **choices: Unpack[Choices],
) -> Verdict:
    """Verify one file; whatever is wrong with it is a finding.

    Args:
        file: its path, or its bytes with its name, where nothing can lie beside it.
        trust: the lists that were given, or None.
        ledgers: logs of releases.
        **choices: `Choices`.

    Raises:
        StorageError: a ledger cannot be read.
    """
    return _look_at(file, trust, ledgers, **choices)[0]


def inspect_file(
    file: Path | Upload,
    trust: Trust | None,
    ledgers: tuple[NamedLog, ...] = (),
    **choices: Unpack[Choices],
) -> Inspection:
    """The same, with what its manifest says."""
    verdict, manifest = _look_at(file, trust, ledgers, **choices)
    return Inspection(verdict=verdict, manifest=None if manifest is None else told_by(manifest))


def _look_at(
    file: Path | Upload,
    trust: Trust | None,
    ledgers: tuple[NamedLog, ...],
    *,
    strict: bool = False,
    released: bool = False,
    revoked: tuple[BelievedList, ...] = (),
) -> tuple[Verdict, Manifest | None]:
    """A verdict, and the manifest that it is about, where one can be read."""
    place, name = (file, file.name) if isinstance(file, Path) else (None, file.name)
    called = name if place is None else place
    try:
        data = content_of(file, MAX_FILE_BYTES) if isinstance(file, Path) else file.data
    except FileNotFoundError:
        return unread(called, "safegen.manifest.no-file", "It leads to no file."), None
    except UnfitFileError as error:
        code = "safegen.manifest.too-large" if error.too_large else "safegen.manifest.no-file"
        return unread(called, code, str(error)), None
    mime, notes = formats.mime_of(name, data), []
    if mime == STORE_MIME:
        text = "It is a manifest itself; name the file that it lies beside."
        return unread(called, "safegen.manifest.unsupported", text, "unsupported"), None
    if misnamed := formats.disagreement(name, data):
        notes.append(misnamed)
    try:
        chosen = choose(place, data, mime, trust)
    except UnreadableManifestError as error:
        code, state = PROBLEMS[error.problem]
        said = f"{_capital(str(error))}."
        codes = [error.code] if error.code else []
        verdict = unread(called, code, said, state, notes, codes)
        return search_for(verdict, data, ledgers, trust), None
    notes += filter(None, (chosen.told(), None if place is None else unsigned_in_package(place)))
    receipt, receipt_problem = (None, None) if place is None else looked_at.receipt_of(place)
    evidence = looked_at.Evidence(
        data=data,
        manifest=chosen.manifest,
        beside=None if chosen.beside is None else chosen.beside[0],
        trust=trust,
        ledgers=ledgers,
        receipt=receipt,
        receipt_problem=receipt_problem,
        package={} if place is None else looked_at.package_files(place),
        strict=strict,
        released=released,
        revoked=revoked,
    )
    return _verdict(called, evidence, notes), chosen.manifest


def _verdict(called: str | Path, evidence: Evidence, notes: Sequence[str]) -> Verdict:
    manifest, stamp = evidence.manifest, evidence.manifest.time_stamp
    findings = tuple(
        _take(step, name, evidence) for step, name in zip(order.ALL, order.NAMES, strict=True)
    )
    state = _state(manifest, findings)
    return Verdict(
        path=shown(called),
        state=state,
        text=_summary(state, findings),
        signer=SignerFinding(
            name=manifest.signer, trusted_by=manifest.trusted_by, issuer=manifest.issuer
        ),
        time_stamp=None
        if stamp is None
        else StampFinding(time=stamp.time, authority=stamp.authority, trusted_by=stamp.trusted_by),
        manifest_beside=None if evidence.beside is None else shown(evidence.beside),
        ingredients=findings_of(manifest.ingredients),
        identities=tuple(
            IdentityFinding(
                name=each.name,
                vouched_by=each.vouched_by,
                trusted_by=each.trusted_by,
                state=each.state,
                codes=tuple(each.codes),
            )
            for each in manifest.identities
        ),
        origins=origins_of(manifest),
        findings=findings,
        notes=tuple(notes),
    )


def _take(step: order.Step, name: str, evidence: Evidence) -> StepFinding:
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
    if failed - UNVOUCHED or manifest.state == "Invalid":
        return "invalid"
    return "trusted" if manifest.state == "Trusted" and not failed else "valid"


def _summary(state: State, findings: tuple[StepFinding, ...]) -> str:
    """What matters most: the first thing that failed, or else who signed, and any warning."""
    if state == "invalid":
        failed = [finding for finding in findings if finding.outcome == "failed"]
        against = [finding for finding in failed if finding.codes[0] not in UNVOUCHED]
        return (against or failed or list(findings))[0].text
    signer, identity = (
        next(finding for finding in findings if finding.step == step)
        for step in ("signer", "identity")
    )
    who = SHORT.get(signer.codes[0], signer.text)
    if state == "valid" and signer.outcome == "passed":
        who = signer.text if identity.outcome == "failed" else UNKNOWN_ORIGIN
    told = [identity] if identity.codes[0] in MENTIONED else []
    told += [each for each in findings if each.outcome == "warned"]
    return " ".join([who, *(each.text for each in told)])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
