"""The steps about who signed, and when.

`Valid` in C2PA's sense says that nothing was changed, and nothing of who signed: anybody can make a
certificate in any name. Only a list of roots that the reader chose can tell. A signer who is on no
list says nothing against a file either. A certificate must have been valid when it signed; after it
has expired, only a time-stamp of a trusted authority can prove that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.provenance.c2pa.manifest import EXPIRED, SIGNED, TRUSTED, UNTRUSTED
from safegen.provenance.c2pa.manifest.statuses import concern
from safegen.verification.c2pa_messages import phrase
from safegen.verification.findings import found

if TYPE_CHECKING:
    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.keys.profile import Finding
    from safegen.provenance.keys.trust import TrustList
    from safegen.schemas.verdict import StepFinding
    from safegen.verification.evidence import Evidence

UNVOUCHED = {  # they say nothing against a file
    "safegen.signer.unknown",
    "safegen.signer.path",
    "safegen.identity.unknown",
}
REVOKED = ("signingCredential.ocsp.revoked", "signingCredential.revoked")
NOT_REVOKED = "signingCredential.ocsp.notRevoked"
OUTSIDE = "claimSignature.outsideValidity"
BROKEN_STAMPS = (
    "timeStamp.mismatch",
    "timeStamp.malformed",
    "timeStamp.outsideValidity",
    "timeStamp.credentialInvalid",
    "assertion.timestamp.malformed",
)


def check_signer(evidence: Evidence) -> StepFinding:
    """4. The certificate was valid and not revoked, and a list that was given vouches for it."""
    manifest = evidence.manifest
    credential = [code for code in manifest.failures if concern(code) == "signer"]
    if SIGNED not in manifest.successes:
        text = (
            f"Its signature does not hold, so it cannot be told whether {manifest.signer} made it."
        )
        return found("safegen.signer.unclear", text, credential)
    if revoked := [code for code in REVOKED if code in manifest.failures]:
        text = f"The certificate of {manifest.signer} was revoked by whoever issued it."
        return found("safegen.signer.revoked", text, revoked)
    if EXPIRED in manifest.failures or OUTSIDE in manifest.failures:
        return found("safegen.signer.expired", _expired(manifest), credential)
    if unfit := [code for code in credential if code != UNTRUSTED]:
        reasons = " and ".join(
            phrase(code, manifest.failures[code]).removeprefix("its ") for code in unfit
        )
        text = f"{manifest.signer} signed it, but the {reasons}."
        return found("safegen.signer.unfit", text, credential)
    return _vouched(evidence)


def _vouched(evidence: Evidence) -> StepFinding:
    manifest = evidence.manifest
    if TRUSTED in manifest.successes:
        text = f"Signed by {manifest.signer}; your list {manifest.trusted_by} vouches for it"
        codes = [TRUSTED]
        if NOT_REVOKED in manifest.successes:
            text += ", and whoever issued its certificate says that it was not revoked"
            codes.append(NOT_REVOKED)
        text = f"{text}. Its certificate was issued by {manifest.issuer or 'nobody who is named'}."
        return found("safegen.signer.trusted", text, codes)
    if evidence.anchors is None:
        text = (
            f"It names {manifest.signer} as its signer, and nobody vouches for that: anybody can "
            "make a certificate in any name. Name the roots that you trust with --trust."
            f"{_issued(manifest)}"
        )
        return found("safegen.signer.no-list", text, [UNTRUSTED])
    if manifest.broken_path is not None:
        reason = _reason(manifest, manifest.broken_path)
        text = (
            f"{manifest.signer} signed it, but its certificates do not lead to a root that you "
            f"trust: {reason}. This says nothing against the file, and nothing for it."
        )
        return found("safegen.signer.path", text, [UNTRUSTED])
    lists = _names(evidence.trust.signers if evidence.trust else ())
    text = (
        f"{manifest.signer} is on no list that you gave ({lists}). This says nothing against the "
        f"file, and nothing for it.{_issued(manifest)}"
    )
    return found("safegen.signer.unknown", text, [UNTRUSTED])


def check_time(evidence: Evidence) -> StepFinding:
    """6. A time-stamp holds, and a list vouches for its authority."""
    manifest = evidence.manifest
    seen = {**manifest.notes, **manifest.failures}
    broken = [code for code in seen if code in BROKEN_STAMPS]
    stamp = manifest.time_stamp
    if stamp is None and broken:
        reason = phrase(broken[0], seen[broken[0]]).removeprefix("its ")
        text = f"Nothing proves when it was signed: the {reason}."
        return found("safegen.time.broken", text, broken)
    if stamp is None:
        text = "Nothing but the signer's own word says when it was signed: it has no time-stamp."
        return found("safegen.time.none", text)
    codes = [code for code in (*manifest.successes, *seen) if code.startswith("timeStamp.")]
    if stamp.trusted_by is None:
        text = (
            f"{stamp.authority} says that it was signed at {stamp.time}, but no list vouches for "
            "that authority; name its root with --time-trust."
        )
        return found("safegen.time.unknown", text, codes)
    text = (
        f"Signed at {stamp.time}, says {stamp.authority}; {stamp.trusted_by} vouches for it. So "
        "the signature outlives its certificate."
    )
    return found("safegen.time.stamped", text, codes)


def _issued(manifest: Manifest) -> str:
    """Whom the signer's certificate names as its issuer, which proves nothing by itself."""
    issuer = manifest.issuer
    return "" if issuer is None else f" Its certificate names {issuer} as who issued it."


def _reason(manifest: Manifest, broken: Finding) -> str:
    """What is wrong with a path, and whether a time-stamp could mend it."""
    reason, stamp = broken.text.partition("; ")[0], manifest.time_stamp
    if broken.code == "expired" and stamp is not None and stamp.trusted_by is None:
        return (
            f"{reason}; it signed before that, at {stamp.time}, as {stamp.authority} says, for "
            "whom no list vouches: name its root with --time-trust"
        )
    return reason


def _expired(manifest: Manifest) -> str:
    """Why a certificate counts as not valid, and what would prove otherwise."""
    stamp = manifest.time_stamp
    dates = manifest.validity
    if dates is None:
        return f"The certificate of {manifest.signer} was not valid when it signed."
    first, last = dates
    when = f"The certificate of {manifest.signer} was valid from {first} until {last}"
    if stamp is None:
        return f"{when}, which is not now, and no time-stamp proves that it was signed in between."
    if not first <= stamp.time <= last:
        return (
            f"{when}, and its time-stamp says that it was signed outside of that, at {stamp.time}."
        )
    return (
        f"{when}. A time-stamp says that it was signed in between, at {stamp.time}, but no list "
        f"vouches for its authority, {stamp.authority}; name its root with --time-trust."
    )


def _names(lists: tuple[TrustList, ...]) -> str:
    return ", ".join(each.name for each in lists)
