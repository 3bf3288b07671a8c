"""The steps about what safegen's own assertions claim: fingerprint, release, privacy, policy."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen.errors import DataError, TamperedError
from safegen.pipeline.findings import found, worst
from safegen.privacy.recompute import faults
from safegen.provenance import claims
from safegen.provenance.manifest import TRUSTED
from safegen.provenance.receipts import problem_with
from safegen.records.canonical import canonical_fields, joined, sha256
from safegen.records.certificate import PrivacyCertificate
from safegen.records.decision import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from safegen.pipeline.evidence import Evidence
    from safegen.provenance.claims import Json
    from safegen.provenance.manifest import Manifest
    from safegen.records.receipt import AnyReceipt
    from safegen.records.verdict import StepFinding

KEPT = 64  # findings about claims that many files share, such as their model's certificate


def check_fingerprint(evidence: Evidence) -> StepFinding:
    """7. The perceptual code is computed again and compared."""
    bindings = [
        each
        for each in evidence.manifest.said("c2pa.soft-binding")
        if each.get("alg") == claims.FINGERPRINT_ALGORITHM
    ]
    if not bindings:
        text = "It describes no fingerprint that is known here."
        return found("safegen.fingerprint.none", text)
    return worst(_judge_fingerprint(each, evidence) for each in bindings)


def _judge_fingerprint(binding: Json, evidence: Evidence) -> StepFinding:
    from safegen.modality.image import fingerprint_pixels
    from safegen.provenance import fingerprint

    described = fingerprint.decode(_first_block(binding))
    if described is None:
        text = "The described fingerprint cannot be read."
        return found("safegen.fingerprint.unreadable", text)
    try:
        seen = fingerprint.image_code_to_compare(fingerprint_pixels(evidence.data))
    except DataError as error:
        text = f"The picture cannot be looked at: {error}."
        return found("safegen.fingerprint.unreadable", text)
    share = fingerprint.difference(described, seen)
    if share > fingerprint.ALIKE:
        text = f"The picture is not the one described: {share:.0%} of its fingerprint differs."
        return found("safegen.fingerprint.differs", text)
    text = f"The picture is the one described ({share:.0%} of its fingerprint differs)."
    return found("safegen.fingerprint.alike", text)


def check_ledger(evidence: Evidence) -> StepFinding:
    """8. The digest of the whole file, every byte of it, is in the log; its receipt stands."""
    broken = _problem_with_receipt(evidence)
    if broken is not None:
        text = f"The receipt beside it does not stand: {broken}."
        return found("safegen.ledger.contradicted", text)
    if evidence.ledger is None:
        return _check_receipt_alone(evidence)
    receipt = evidence.receipt
    try:
        logged = evidence.ledger.find(evidence.digest)
        holds = receipt is None or evidence.ledger.holds(receipt.proof)
    except TamperedError as error:
        return found("safegen.ledger.rewritten", f"The ledger was rewritten: {error}.")
    if logged is None or logged[0].kind == "refused":
        text = "This is not a file that was released: the ledger has no entry with its digest."
        return found("safegen.ledger.unknown", text)
    if not holds:
        text = "The ledger was rewritten: it no longer begins with what the receipt proves."
        return found("safegen.ledger.rewritten", text)
    entry, proof = logged
    done = "signed" if entry.kind == "edited" else "released"
    text = f"Exactly this file was {done} at {entry.time}: entry {proof.index} of the ledger."
    return found("safegen.ledger.released", text)


def check_privacy(evidence: Evidence) -> StepFinding:
    """9. epsilon is recomputed from the events in the manifest, not believed."""
    stated = evidence.manifest.said(claims.PRIVACY)
    if not stated:
        text = "It makes no privacy claim."
        if evidence.manifest.said(claims.PRIVACY, created=False):
            text = "Its signer makes no privacy claim, but gathered one that nobody stands for."
        return found("safegen.privacy.none", text)
    return worst(_judge_privacy(json.dumps(each)) for each in stated)


def check_policy(evidence: Evidence) -> StepFinding:
    """10. The decision in the manifest allowed it, and its findings say the same."""
    own, others = (evidence.manifest.said(claims.DECISION, created=own) for own in (True, False))
    judged = [_judge_decision(json.dumps(each)) for each in (*own, *others)]
    refusals = [each for each in judged if each.outcome == "failed"]
    if refusals or own:  # a refusal counts, whoever's it is; an allowance is its signer's or none
        return (refusals or judged)[0]
    text = "It carries no policy decision."
    if others:
        text = "Its signer states no policy decision, but gathered one that nobody stands for."
    return found("safegen.policy.none", text)


@functools.lru_cache(maxsize=KEPT)
def _judge_privacy(stated: str) -> StepFinding:
    """The finding about a certificate; kept, because a model's outputs all carry the same."""
    try:
        certificate = PrivacyCertificate.model_validate_json(stated)
    except ValidationError as error:
        text = f"Its privacy claim cannot be read: {_first_problem(error)}."
        return found("safegen.privacy.unreadable", text)
    wrong = faults(certificate)
    if wrong:
        return found("safegen.privacy.differs", " ".join(wrong))
    claim = f"epsilon {certificate.epsilon:.4f} at delta {certificate.delta:.2e}"
    text = (
        f"{claim}, for {certificate.difference()}, follows from its "
        f"{sum(event.count for event in certificate.events)} events{_attacked(certificate)}."
    )
    return found("safegen.privacy.recomputed", text)


@functools.lru_cache(maxsize=KEPT)
def _judge_decision(stated: str) -> StepFinding:
    try:
        decision = Decision.model_validate_json(stated)
    except ValidationError as error:
        text = f"Its policy decision cannot be read: {_first_problem(error)}."
        return found("safegen.policy.unreadable", text)
    broken = [finding.rule for finding in decision.findings if finding.outcome != "passed"]
    if broken or not decision.allowed or not decision.findings:
        text = (
            f"Policy {decision.policy} did not allow it: {', '.join(broken) or 'no rule passed'}."
        )
        return found("safegen.policy.refused", text)
    text = (
        f"Policy {decision.policy} ({decision.policy_digest[:15]}...) allowed it: all "
        f"{len(decision.findings)} rules of its {decision.stage} stage passed."
    )
    return found("safegen.policy.allowed", text)


def _attacked(certificate: PrivacyCertificate) -> str:
    """What an attack on the run could prove, for the end of a sentence."""
    bound = certificate.lower_bound
    if bound is None:
        return "; no attack was measured"
    return f"; {bound.in_words()}"


def _problem_with_receipt(evidence: Evidence) -> str | None:
    """What is wrong with the receipt beside a file; None when it stands, or there is none."""
    receipt = evidence.receipt
    if receipt is None:
        return evidence.receipt_problem
    if receipt.file_digest != evidence.digest:
        return "it is for another file, or the file was changed since"
    fields = canonical_fields(receipt)
    contradicted = _contradicted(receipt, fields, evidence.manifest)
    if contradicted is not None:
        return contradicted
    if evidence.anchors is None or not _signer_is_trusted(evidence):
        return None  # whose signature it would be is not known
    unsigned = joined(fields | {"signature": b"null"})
    return problem_with(receipt, evidence.anchors, unsigned=unsigned)


def _contradicted(
    receipt: AnyReceipt, fields: Mapping[str, bytes], manifest: Manifest
) -> str | None:
    """What a receipt says otherwise than the manifest, which has it from the same release."""
    explanation = sha256(fields["explanation"])
    if not _is_all(manifest.said(claims.EXPLANATION), explanation, lambda said: said.get("digest")):
        return "it explains another picture"
    if not _is_all(manifest.said(claims.REQUEST), receipt.request.model_dump(mode="json")):
        return "it states another request than the manifest"
    if not _is_all(manifest.said(claims.DECISION), receipt.decisions[-1].model_dump(mode="json")):
        return "it states another decision than the manifest"
    return None


def _is_all(
    stated: tuple[Json, ...], expected: object, part: Callable[[Json], object] = lambda said: said
) -> bool:
    """Whether something is stated, and nothing else with it."""
    return bool(stated) and all(part(each) == expected for each in stated)


def _check_receipt_alone(evidence: Evidence) -> StepFinding:
    """Without the ledger, a receipt signed by somebody trusted can speak for it."""
    receipt = evidence.receipt
    if receipt is None:
        text = "No ledger was given (--ledger), and no receipt lies beside the file."
        return found("safegen.ledger.none", text)
    if evidence.anchors is None or not _signer_is_trusted(evidence):
        text = "A receipt lies beside it, but nobody on a list of trust vouches for its signer."
        return found("safegen.ledger.unvouched", text)
    return found("safegen.ledger.receipt", _receipt_in_words(receipt))


def _receipt_in_words(receipt: AnyReceipt) -> str:
    return (
        f"Its signed receipt says that exactly this file was released at {receipt.entry.time}, as "
        f"entry {receipt.proof.index}; the ledger itself was not asked."
    )


def _signer_is_trusted(evidence: Evidence) -> bool:
    return TRUSTED in evidence.manifest.successes


def _first_block(binding: Json) -> str:
    match binding.get("blocks"):
        case [{"value": str(value)}, *_]:
            return value
    return ""


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
