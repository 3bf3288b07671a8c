"""The seven steps of verification, in order; each looks at evidence and says what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from safegen.errors import DataError, StorageError, TamperedError
from safegen.privacy.recompute import faults
from safegen.provenance import claims
from safegen.provenance.manifest import TRUSTED, UNTRUSTED, Manifest
from safegen.provenance.receipts import problem_with
from safegen.records.canonical import digest as digest_of
from safegen.records.canonical import sha256
from safegen.records.certificate import PrivacyCertificate
from safegen.records.decision import Decision
from safegen.records.verdict import Outcome, StepFinding
from safegen.storage import read

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.records.log import InclusionProof, LogEntry
    from safegen.records.receipt import AnyReceipt


IN_WORDS = {
    "assertion.dataHash.mismatch": "its content is not what was signed",
    "assertion.hashedURI.mismatch": "a statement in its manifest was changed",
    "claimSignature.mismatch": "the signature does not fit the manifest",
    "ingredient.manifest.mismatch": "the manifest of what it was made from was changed",
}


class Log(Protocol):
    """What a step asks of a ledger."""

    def find(self, file_digest: str) -> tuple[LogEntry, InclusionProof] | None:
        """The entry for a file, with its proof."""
        ...

    def holds(self, proof: InclusionProof) -> bool:
        """Whether the log still begins with the tree of an earlier proof."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the steps look at.

    Attributes:
        data: the whole file.
        manifest: its active manifest, as C2PA validated it.
        anchors: PEM certificates to trust, or None.
        ledger: the log to look it up in, or None.
        receipt: the one beside the file, or None.
        has_receipt: whether a file lies there that should be one.
        package: the files of a model package by their part, or none.
    """

    data: bytes
    manifest: Manifest
    anchors: bytes | None
    ledger: Log | None
    receipt: AnyReceipt | None
    has_receipt: bool
    package: Mapping[str, Path]


def check_manifest(evidence: Evidence) -> StepFinding:
    """1. A manifest was read, or we would not be here."""
    text = f"It carries a C2PA manifest, signed by {evidence.manifest.signer}."
    return _found("manifest", "passed", text)


def check_integrity(evidence: Evidence) -> StepFinding:
    """2. C2PA's own validation, apart from trust; broken ingredients count."""
    manifest = evidence.manifest
    failures = {code: text for code, text in manifest.failures.items() if code != UNTRUSTED}
    if failures or manifest.state == "Invalid":
        text = (
            f"It was changed after it was signed, or never signed properly: {_reasons(failures)}."
        )
        return _found("integrity", "failed", text, failures)
    if manifest.broken_ingredients:
        reasons = _reasons(manifest.broken_ingredients)
        text = f"It is intact, but something that it was made from is not: {reasons}."
        return _found("integrity", "failed", text, manifest.broken_ingredients)
    changed = _changed_package_file(evidence)
    if changed:
        text = f"{changed} is not the file that the model's manifest speaks of."
        return _found("integrity", "failed", text)
    text = "Nothing that the manifest protects was changed since it was signed."
    return _found("integrity", "passed", text, manifest.successes)


def check_signer(evidence: Evidence) -> StepFinding:
    """3. Only a signer on the list means anything; `Valid` alone does not say who signed."""
    manifest = evidence.manifest
    if TRUSTED in manifest.successes:
        text = f"{manifest.signer} leads to a root on the list that you gave."
        return _found("signer", "passed", text, [TRUSTED])
    if evidence.anchors is None:
        text = (
            f"Nobody vouches that {manifest.signer} is who it says: give a list of roots with "
            "--trust. Anybody can make such a certificate."
        )
        return _found("signer", "not_checked", text, [UNTRUSTED])
    if UNTRUSTED not in manifest.failures:
        text = "Who signed it cannot be told from a manifest that does not hold."
        return _found("signer", "not_checked", text)
    text = f"{manifest.signer} does not lead to any root on the list that you gave."
    return _found("signer", "failed", text, [UNTRUSTED])


def check_fingerprint(evidence: Evidence) -> StepFinding:
    """4. The perceptual code is computed again and compared."""
    binding = evidence.manifest.assertions.get("c2pa.soft-binding")
    if binding is None or binding.get("alg") != claims.FINGERPRINT_ALGORITHM:
        return _found(
            "fingerprint", "not_checked", "It describes no fingerprint that is known here."
        )
    from safegen.modality.image import fingerprint_pixels
    from safegen.provenance import fingerprint

    described = fingerprint.decode(_first_block(binding))
    try:
        seen = fingerprint.image_code(fingerprint_pixels(evidence.data))
    except DataError as error:
        return _found("fingerprint", "failed", f"The picture cannot be looked at: {error}.")
    if described is None:
        return _found("fingerprint", "failed", "The described fingerprint cannot be read.")
    share = fingerprint.difference(described, seen)
    if share > fingerprint.ALIKE:
        text = f"The picture is not the one described: {share:.0%} of its fingerprint differs."
        return _found("fingerprint", "failed", text)
    return _found(
        "fingerprint", "passed", f"The picture is the one described ({share:.0%} differs)."
    )


def check_ledger(evidence: Evidence) -> StepFinding:
    """5. The digest of the whole file, every byte of it, is in the log; its receipt stands."""
    digest = sha256(evidence.data)
    broken = _problem_with_receipt(evidence, digest)
    if broken is not None:
        return _found("ledger", "failed", f"The receipt beside it does not stand: {broken}.")
    if evidence.ledger is None:
        return _check_receipt_alone(evidence)
    try:
        logged = evidence.ledger.find(digest)
    except TamperedError as error:
        return _found("ledger", "failed", f"The ledger was rewritten: {error}.")
    if logged is None:
        text = "This is not a file that was released: the ledger has no entry with its digest."
        return _found("ledger", "failed", text)
    entry, proof = logged
    receipt = evidence.receipt
    if receipt is not None and not evidence.ledger.holds(receipt.proof):
        text = "The ledger was rewritten: it no longer begins with what the receipt proves."
        return _found("ledger", "failed", text)
    text = f"Exactly this file was released at {entry.time}: entry {proof.index} of the ledger."
    return _found("ledger", "passed", text)


def check_privacy(evidence: Evidence) -> StepFinding:
    """6. epsilon is recomputed from the events in the manifest, not believed."""
    stated = evidence.manifest.assertions.get(claims.PRIVACY)
    if stated is None:
        return _found("privacy", "not_checked", "It makes no privacy claim.")
    try:
        certificate = PrivacyCertificate.model_validate(stated)
    except ValidationError as error:
        text = f"Its privacy claim cannot be read: {_first_problem(error)}."
        return _found("privacy", "failed", text)
    found = faults(certificate)
    if found:
        return _found("privacy", "failed", " ".join(found))
    claim = f"epsilon {certificate.epsilon:.4f} at delta {certificate.delta:.2e}"
    text = (
        f"{claim}, for one {certificate.unit} added or removed, follows from its "
        f"{sum(event.count for event in certificate.events)} events{_attacked(certificate)}."
    )
    return _found("privacy", "passed", text)


def _attacked(certificate: PrivacyCertificate) -> str:
    """What an attack on the run could prove, for the end of a sentence."""
    bound = certificate.lower_bound
    if bound is None:
        return "; no attack was measured"
    return f"; {bound.in_words()}"


def check_policy(evidence: Evidence) -> StepFinding:
    """7. The decision in the manifest allowed it, and its findings say the same."""
    stated = evidence.manifest.assertions.get(claims.DECISION)
    if stated is None:
        return _found("policy", "not_checked", "It carries no policy decision.")
    try:
        decision = Decision.model_validate(stated)
    except ValidationError as error:
        text = f"Its policy decision cannot be read: {_first_problem(error)}."
        return _found("policy", "failed", text)
    broken = [finding.rule for finding in decision.findings if finding.outcome != "passed"]
    if broken or not decision.allowed or not decision.findings:
        text = (
            f"Policy {decision.policy} did not allow it: {', '.join(broken) or 'no rule passed'}."
        )
        return _found("policy", "failed", text)
    text = (
        f"Policy {decision.policy} ({decision.policy_digest[:15]}...) allowed it: all "
        f"{len(decision.findings)} rules of its {decision.stage} stage passed."
    )
    return _found("policy", "passed", text)


Step = Callable[[Evidence], StepFinding]
NAMES = ("manifest", "integrity", "signer", "fingerprint", "ledger", "privacy", "policy")
ALL: tuple[Step, ...] = (
    check_manifest,
    check_integrity,
    check_signer,
    check_fingerprint,
    check_ledger,
    check_privacy,
    check_policy,
)


def _problem_with_receipt(evidence: Evidence, digest: str) -> str | None:
    """What is wrong with the receipt beside a file; None when it stands, or there is none."""
    receipt = evidence.receipt
    if receipt is None:
        return "it cannot be read" if evidence.has_receipt else None
    said = evidence.manifest.assertions
    summary, request = said.get(claims.EXPLANATION, {}), receipt.request.model_dump(mode="json")
    contradictions = {
        "it is for another file, or the file was changed since": receipt.file_digest != digest,
        "it explains another picture": summary.get("digest") != digest_of(receipt.explanation),
        "it states another request than the manifest": said.get(claims.REQUEST) != request,
        "it states another decision than the manifest": (
            said.get(claims.DECISION) != receipt.decisions[-1].model_dump(mode="json")
        ),
    }
    for problem, found in contradictions.items():
        if found:
            return problem
    if evidence.anchors is None or TRUSTED not in evidence.manifest.successes:
        return None  # whose signature it would be is not known
    return problem_with(receipt, evidence.anchors)


def _check_receipt_alone(evidence: Evidence) -> StepFinding:
    """Without the ledger, a receipt signed by somebody trusted can speak for it."""
    receipt = evidence.receipt
    if receipt is None:
        text = "No ledger was given (--ledger), and no receipt lies beside the file."
        return _found("ledger", "not_checked", text)
    if evidence.anchors is None or TRUSTED not in evidence.manifest.successes:
        text = "A receipt lies beside it, but nobody on a list of trust vouches for its signer."
        return _found("ledger", "not_checked", text)
    text = (
        f"Its signed receipt says that exactly this file was released at {receipt.entry.time}, as "
        f"entry {receipt.proof.index}; the ledger itself was not asked."
    )
    return _found("ledger", "passed", text)


def _changed_package_file(evidence: Evidence) -> str | None:
    """The package file that is not what the model's manifest says, if any."""
    signed = evidence.manifest.assertions.get(claims.PACKAGE)
    if signed is None:
        return None
    for part, path in evidence.package.items():
        try:
            found = sha256(read(path))
        except StorageError:
            return path.name
        if found != signed.get(part):
            return path.name
    return None


def _reasons(failures: Mapping[str, str]) -> str:
    """C2PA's codes in words that people know, or else in its own."""
    words = [IN_WORDS.get(code) or text or code for code, text in failures.items()]
    return "; ".join(dict.fromkeys(words)) or "C2PA rejects it without a reason"


def _first_block(binding: claims.Json) -> str:
    match binding.get("blocks"):
        case [{"value": str(value)}, *_]:
            return value
    return ""


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def _found(
    step: str,
    outcome: Outcome,
    text: str,
    codes: Mapping[str, str] | tuple[str, ...] | list[str] = (),
) -> StepFinding:
    return StepFinding(step=step, outcome=outcome, codes=tuple(codes), text=text)
