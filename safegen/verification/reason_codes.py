"""Why a step ended as it did: safegen's own codes, which never change their meaning.

A code names its step and its reason, and has one outcome. `docs/verify.md` lists them; C2PA's own
codes stand beside them in a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from safegen.schemas.verdict import Outcome

STEPS = (
    "manifest",
    "integrity",
    "ingredients",
    "signer",
    "identity",
    "time",
    "revocation",
    "fingerprint",
    "ledger",
    "privacy",
    "policy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a code says.

    Attributes:
        outcome: of the step that gives it.
        text: in general, of any file.
    """

    outcome: Outcome
    text: str


def _passed(text: str) -> Meaning:
    return Meaning(outcome="passed", text=text)


def _failed(text: str) -> Meaning:
    return Meaning(outcome="failed", text=text)


def _warned(text: str) -> Meaning:
    return Meaning(outcome="warned", text=text)


def _not_checked(text: str) -> Meaning:
    return Meaning(outcome="not_checked", text=text)


CODES = {
    "safegen.manifest.embedded": _passed("A C2PA manifest was read from the file."),
    "safegen.manifest.beside": _passed("A C2PA manifest was read from a file beside it."),
    "safegen.manifest.none": _failed("There is no C2PA manifest."),
    "safegen.manifest.unsupported": _failed("C2PA does not cover this type of file."),
    "safegen.manifest.refused": _failed("The manifest is against C2PA's rules, and says nothing."),
    "safegen.manifest.unreadable": _failed("The file or its manifest is broken."),
    "safegen.manifest.remote": _failed("Its manifest is elsewhere, and nothing is fetched."),
    "safegen.manifest.no-file": _failed("It is no regular file, or may not be read."),
    "safegen.manifest.too-large": _failed("The file is larger than is looked at."),
    "safegen.manifest.too-long": _failed("Looking at the file took too long and was stopped."),
    "safegen.manifest.crashed": _failed("Looking at the file broke its reader down."),
    "safegen.integrity.whole": _passed("Nothing that the manifest protects was changed."),
    "safegen.integrity.changed": _failed("The file or its manifest is not what was signed."),
    "safegen.integrity.beside": _failed(
        "The manifest beside it is of another file, or the file was changed."
    ),
    "safegen.integrity.unbound": _failed(
        "The manifest's hash leaves out more than itself and metadata."
    ),
    "safegen.integrity.ingredient": _failed("Something that it was made from does not hold."),
    "safegen.integrity.improper": _failed("Its manifest breaks a rule of C2PA."),
    "safegen.integrity.package": _failed("A file of the model package is not the signed one."),
    "safegen.ingredients.sound": _passed("What it was made from holds."),
    "safegen.ingredients.none": _not_checked("It names nothing that it was made from."),
    "safegen.ingredients.unsigned": _not_checked("Nothing that it was made from has a manifest."),
    "safegen.ingredients.declared-broken": _warned(
        "Something that it was made from did not hold when it was used, as whoever used it says."
    ),
    "safegen.ingredients.refused": _failed("The same, and strictness was asked for."),
    "safegen.ingredients.broken": _failed(
        "Something that it was made from does not hold, and nobody said so."
    ),
    "safegen.signer.trusted": _passed("A list that was given vouches for the signer."),
    "safegen.signer.no-list": _not_checked("No list of trust was given."),
    "safegen.signer.unclear": _not_checked("The signature does not hold, so it names nobody."),
    "safegen.signer.unknown": _failed("No list that was given knows the signer."),
    "safegen.signer.path": _failed(
        "Its certificates do not lead to a root on a list, though they name one."
    ),
    "safegen.signer.expired": _failed("The certificate was not valid when it signed."),
    "safegen.signer.revoked": _failed("The certificate was revoked."),
    "safegen.signer.unfit": _failed("The certificate may not sign such claims."),
    "safegen.identity.trusted": _passed("A list that was given vouches for who stands for it."),
    "safegen.identity.none": _not_checked("It names nobody who stands for it beside its signer."),
    "safegen.identity.unasked": _not_checked(
        "Who stands for it could only be told by asking a host that it names."
    ),
    "safegen.identity.no-list": _not_checked("Its statement of a person holds; no list was given."),
    "safegen.identity.lapsed": _not_checked("Its statement of a person is out of date."),
    "safegen.identity.unclear": _not_checked(
        "Its statement of a person is of a kind that cannot be checked."
    ),
    "safegen.identity.unknown": _failed("No list that was given knows who stands for it."),
    "safegen.identity.broken": _failed("Its statement of a person is false."),
    "safegen.time.stamped": _passed("A trusted authority saw the signature at that time."),
    "safegen.time.none": _not_checked("It carries no time-stamp."),
    "safegen.time.unknown": _not_checked("No list vouches for the time-stamp's authority."),
    "safegen.time.broken": _not_checked("Its time-stamp does not hold, and counts as none."),
    "safegen.revocation.clear": _passed("No list of its signer's house takes any of it back."),
    "safegen.revocation.before": _passed(
        "Its key or model was revoked after a trusted authority saw the signature."
    ),
    "safegen.revocation.none": _not_checked("No revocation list was given."),
    "safegen.revocation.others": _not_checked("No list that was given is of its signer's house."),
    "safegen.revocation.unclear": _not_checked("The signature does not hold, so nobody's counts."),
    "safegen.revocation.key": _failed(
        "Its key is revoked, and nothing proves that it came before."
    ),
    "safegen.revocation.model": _failed(
        "Its model is revoked, and nothing proves that it came before."
    ),
    "safegen.revocation.policy": _failed(
        "A policy that let it out is revoked, and nothing proves that it came before."
    ),
    "safegen.revocation.output": _failed("Exactly this file is revoked."),
    "safegen.fingerprint.alike": _passed("The picture is the one described."),
    "safegen.fingerprint.none": _not_checked("It describes no fingerprint that is known here."),
    "safegen.fingerprint.differs": _failed("The picture is not the one described."),
    "safegen.fingerprint.unreadable": _failed("The fingerprint or the picture cannot be read."),
    "safegen.ledger.released": _passed("The ledger has exactly this file."),
    "safegen.ledger.receipt": _passed("A signed receipt says that exactly this was released."),
    "safegen.ledger.none": _not_checked("No ledger was given, and no receipt lies beside it."),
    "safegen.ledger.unvouched": _not_checked("Nobody trusted vouches for the receipt."),
    "safegen.ledger.unvouched-head": _not_checked("Nobody trusted vouches for the ledger's head."),
    "safegen.ledger.others": _not_checked("A ledger of another house has it, and no witness's."),
    "safegen.ledger.elsewhere": _not_checked(
        "No ledger that was given has it, and nothing says that one should."
    ),
    "safegen.ledger.recovered": _not_checked(
        "It has no manifest, and looks like a file that the ledger has."
    ),
    "safegen.ledger.not-recovered": _not_checked(
        "It has no manifest, and nothing that the ledger has looks like it."
    ),
    "safegen.ledger.not-searched": _not_checked(
        "It has no manifest, and the ledger could not be searched for what looks like it."
    ),
    "safegen.ledger.unsigned": _failed("Its entry is under no signed head of the ledger."),
    "safegen.ledger.required": _failed("Nothing shows that it was released, and that was asked."),
    "safegen.ledger.unknown": _failed("The ledger has no such file."),
    "safegen.ledger.rewritten": _failed("The ledger was rewritten."),
    "safegen.ledger.contradicted": _failed("The receipt beside it does not stand."),
    "safegen.privacy.recomputed": _passed("The claimed epsilon follows from the events."),
    "safegen.privacy.none": _not_checked("It makes no privacy claim."),
    "safegen.privacy.differs": _failed("The privacy claim cannot stand."),
    "safegen.privacy.unreadable": _failed("The privacy claim cannot be read."),
    "safegen.policy.allowed": _passed("A policy allowed it, with every rule passed."),
    "safegen.policy.none": _not_checked("It carries no policy decision."),
    "safegen.policy.refused": _failed("The policy did not allow it."),
    "safegen.policy.unreadable": _failed("The policy decision cannot be read."),
    "safegen.publish.allowed": _passed("Your own policy (--policy) allows it."),
    "safegen.publish.refused": _failed("Your own policy (--policy) refuses it."),
}
for _step in STEPS:
    CODES[f"safegen.{_step}.unfinished"] = _failed("The step could not be finished on this file.")
    if _step != "manifest":
        CODES[f"safegen.{_step}.skipped"] = _not_checked("There is no manifest to check.")


def step_of(code: str) -> str:
    """The step that gives a code.

    >>> step_of("safegen.ledger.unknown")
    'ledger'
    """
    return code.split(".")[1]
