"""The step about release: what logs and the receipt say of exactly this file.

A log speaks for the files of the house that keeps it, and of nobody else; so does a receipt
(`provenance.keys.house`). Whoever is named as a witness speaks for others too.

That a log has no such file says nothing against it: most files are not of that house. It does
where the file belongs there: its receipt names that log, or safegen signed it for the house that
keeps the log, and safegen signs nothing that it does not log. Where several logs are named, each
is asked and answers in the finding; one that has the file speaks for all of its house.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import TamperedError
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest import TRUSTED
from safegen.provenance.keys.house import certificates, key_id, root_of, same_house
from safegen.provenance.log.checkpoints import checkpoint_error, signed_by
from safegen.provenance.log.receipts import receipt_error
from safegen.schemas.canonical import canonical_fields, join_fields, sha256
from safegen.schemas.receipt import Receipt
from safegen.verification.findings import found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from safegen.provenance.c2pa.claims import Json
    from safegen.provenance.log.ledger import LookUp
    from safegen.schemas.log import LogEntry, LoggedFile
    from safegen.schemas.receipt import AnyReceipt
    from safegen.schemas.verdict import StepFinding
    from safegen.verification.evidence import Evidence, NamedLog

NOT_RELEASES = {"refused", "revocation"}  # entries that are of no file
DECISIVE = (  # of several answers, the first of these decides, whatever the receipt says
    "safegen.ledger.rewritten",
    "safegen.ledger.unsigned",
    "safegen.ledger.released",
    "safegen.ledger.unknown",
)
OPEN = ("safegen.ledger.others", "safegen.ledger.unvouched-head", "safegen.ledger.elsewhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one log says: a code of this step, and words."""

    code: str
    text: str


def check_ledger(evidence: Evidence) -> StepFinding:
    """9. The digest of the whole file, every byte of it, is in a log; its receipt stands."""
    broken = _receipt_error(evidence)
    if broken is not None:
        text = f"The receipt beside it does not stand: {broken}."
        return found("safegen.ledger.contradicted", text)
    answers = [_asked(evidence, each) for each in evidence.ledgers]
    finding = _decided(evidence, answers)
    if evidence.released and finding.outcome == "not_checked":
        text = f"It was to be one that was released, and nothing shows that it was. {finding.text}"
        return found("safegen.ledger.required", text)
    return finding


def _decided(evidence: Evidence, answers: Sequence[_Answer]) -> StepFinding:
    """One finding from all answers and the receipt; each answer is told."""
    told = " ".join(each.text for each in answers)
    given = {each.code for each in answers}
    for code in DECISIVE:
        if code in given:
            return found(code, told)
    alone = _check_receipt_alone(evidence)
    if alone.outcome == "passed" or not answers:
        return found(alone.codes[0], f"{alone.text} {told}".rstrip())
    return found(next(code for code in OPEN if code in given), told)


def _asked(evidence: Evidence, named: NamedLog) -> _Answer:
    """What one log says of the file."""
    receipt = evidence.receipt
    try:
        answer = named.log.look_up(evidence.digest)
        own_receipt = receipt is not None and _names(evidence, receipt, answer)
        if own_receipt and receipt is not None and not named.log.holds(receipt.proof):
            text = f"The ledger was rewritten ({named.name}): it no longer begins with what the "
            return _Answer(code="safegen.ledger.rewritten", text=f"{text}receipt proves.")
    except TamperedError as error:
        return _Answer(
            code="safegen.ledger.rewritten",
            text=f"The ledger was rewritten ({named.name}): {error}.",
        )
    logged = answer.logged
    if logged is not None and logged.entry.kind not in NOT_RELEASES:
        return _vouched(evidence, named, logged)
    if answer.loose is not None:
        return _loose(named, answer)
    if own_receipt or _belongs_to(evidence, answer):
        text = (
            "This is not a file that was released: the ledger has no entry with its digest "
            f"({named.name}), and every file of that house has one."
        )
        return _Answer(code="safegen.ledger.unknown", text=text)
    text = f"{named.name} has no such file, which says nothing against it."
    return _Answer(code="safegen.ledger.elsewhere", text=text)


def _names(evidence: Evidence, receipt: AnyReceipt, answer: LookUp) -> bool:
    """Whether a receipt is of a log; one of the first version does not say of which."""
    if isinstance(receipt, Receipt):
        return receipt.checkpoint.origin == answer.origin
    head = None if answer.logged is None else answer.logged.checkpoint.signature
    return head is not None and _is_own(evidence, head.chain)


def _vouched(evidence: Evidence, named: NamedLog, logged: LoggedFile) -> _Answer:
    """Who vouches for the head that an entry is under, and for whom that counts."""
    head = logged.checkpoint
    entry, index = logged.entry, logged.proof.index
    done = "signed" if entry.kind == "edited" else "released"
    said = f"Exactly this file was {done} at {entry.time}: entry {index} of the ledger {named.name}"
    chain = head.signature.chain if head.signature else ""
    roots = evidence.log_anchors
    problem: str | None = "no list of trust was given"
    if roots is not None:
        problem = checkpoint_error(head, roots)
    if problem is None and _is_revoked(evidence, chain):
        problem = "the key that signed it is revoked"
    if problem is not None:
        text = f"{said}, whose head nobody vouches for ({problem})."
        return _Answer(code="safegen.ledger.unvouched-head", text=text)
    if not _may_speak(evidence, chain):
        text = (
            f"{named.name} has exactly this file, but {signed_by(head)} keeps that ledger, and is "
            "neither its signer nor named as a witness (--witness)."
        )
        return _Answer(code="safegen.ledger.others", text=text)
    return _Answer(code="safegen.ledger.released", text=f"{said}.")


def _loose(named: NamedLog, answer: LookUp) -> _Answer:
    if answer.head is None:
        text = f"{named.name} has such an entry, but no head of that ledger was ever signed."
        return _Answer(code="safegen.ledger.unvouched-head", text=text)
    text = (
        f"Entry {answer.loose} of the ledger {named.name} is under no signed head: somebody put it "
        "there who does not keep that ledger."
    )
    return _Answer(code="safegen.ledger.unsigned", text=text)


def _belongs_to(evidence: Evidence, answer: LookUp) -> bool:
    """Whether a file should be in a log: safegen signed it for the house that keeps the log.

    Unless it is in another log of that house, as its own receipt says.
    """
    if answer.head is None or answer.head.signature is None:
        return False
    by_safegen = evidence.manifest.generator == claims.GENERATOR
    own = by_safegen and _is_own(evidence, answer.head.signature.chain)
    return own and _check_receipt_alone(evidence).outcome != "passed"


def _is_own(evidence: Evidence, chain: str) -> bool:
    """Whether a chain is that of the file's signer or of a successor of his key."""
    anchors = certificates(evidence.anchors)
    return same_house(evidence.manifest.chain, certificates(chain), anchors)


def _may_speak(evidence: Evidence, chain: str) -> bool:
    """Whether who shows a chain may say of this file that it was released."""
    witnesses = certificates(evidence.trust.witness_anchors) if evidence.trust else ()
    return _is_own(evidence, chain) or root_of(certificates(chain), witnesses) is not None


def _is_revoked(evidence: Evidence, chain: str) -> bool:
    shown = certificates(chain)
    return bool(shown) and any(each.find("key", key_id(shown[0])) for each in evidence.revoked)


def _receipt_error(evidence: Evidence) -> str | None:
    """What is wrong with the receipt beside a file; None when it stands, or there is none."""
    receipt = evidence.receipt
    if receipt is None:
        return evidence.receipt_problem
    if receipt.file_digest != evidence.digest:
        return "it is for another file, or the file was changed since"
    fields = canonical_fields(receipt)
    contradicted = _contradicted(receipt, fields, evidence)
    if contradicted is not None:
        return contradicted
    if evidence.receipt_problem is not None:
        return evidence.receipt_problem
    roots = evidence.log_anchors
    if roots is None or not _signer_is_trusted(evidence):
        return None  # whose signature it would be is not known
    unsigned = join_fields(fields | {"signature": b"null"})
    return receipt_error(receipt, roots, unsigned=unsigned) or _signed_by_another(evidence, receipt)


def _signed_by_another(evidence: Evidence, receipt: AnyReceipt) -> str | None:
    """That somebody else signed a receipt, or the head of the log in it."""
    signed = [(receipt.signature, "it")]
    if isinstance(receipt, Receipt):
        signed.append((receipt.checkpoint.signature, "the head of the ledger in it"))
    for signature, what in signed:
        if signature is not None and not _may_speak(evidence, signature.chain):
            return (
                f"{what} is signed by another house than the file, which is not named as a witness "
                "(--witness)"
            )
    return None


def _contradicted(
    receipt: AnyReceipt, fields: Mapping[str, bytes], evidence: Evidence
) -> str | None:
    """What a receipt says otherwise than the manifest, which has it from the same release."""
    said = evidence.manifest.said
    if receipt.manifest != evidence.manifest.label:
        return "it is for another manifest"
    if not _is_all(said(claims.DISCLOSURE), receipt.model, lambda one: one.get("modelIdentifier")):
        return "it names another model than the manifest"
    explanation = sha256(fields["explanation"])
    if not _is_all(said(claims.EXPLANATION), explanation, lambda one: one.get("digest")):
        return "it explains another picture"
    if not _is_all(said(claims.REQUEST), receipt.request.model_dump(mode="json")):
        return "it states another request than the manifest"
    if not _is_all(said(claims.DECISION), receipt.decisions[-1].model_dump(mode="json")):
        return "it states another decision than the manifest"
    return None


def _is_all(
    stated: tuple[Json, ...], expected: object, part: Callable[[Json], object] = lambda said: said
) -> bool:
    """Whether something is stated, and nothing else with it."""
    return bool(stated) and all(part(each) == expected for each in stated)


def _check_receipt_alone(evidence: Evidence) -> StepFinding:
    """Without a ledger that knows, a receipt signed by somebody trusted can speak for it."""
    receipt = evidence.receipt
    if receipt is None:
        text = "No ledger was given (--ledger), and no receipt lies beside the file."
        return found("safegen.ledger.none", text)
    if evidence.anchors is None or not _signer_is_trusted(evidence):
        text = "A receipt lies beside it, but nobody on a list of trust vouches for its signer."
        return found("safegen.ledger.unvouched", text)
    if receipt.signature is not None and _is_revoked(evidence, receipt.signature.chain):
        text = "A receipt lies beside it, but the key that signed it is revoked."
        return found("safegen.ledger.unvouched", text)
    return found("safegen.ledger.receipt", _receipt_in_words(receipt.entry, receipt.proof.index))


def _receipt_in_words(entry: LogEntry, index: int) -> str:
    return (
        f"Its signed receipt says that exactly this file was released at {entry.time}, as entry "
        f"{index}; that ledger itself was not asked."
    )


def _signer_is_trusted(evidence: Evidence) -> bool:
    return TRUSTED in evidence.manifest.successes
