"""C2PA's validation codes in words that people know.

Each phrase says what is wrong with something: "its content is not what was signed". Of an
ingredient it is said with "whose". A code without words here is shown with C2PA's own explanation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTENT = "its content is not what was signed"
_STATEMENT = "its manifest makes a statement that was changed"
_MALFORMED = "its manifest makes a statement that cannot be read"
_LACKS = "its manifest lacks a statement that it speaks of"
_REMOVED = "its manifest had a statement removed that must stay"
_ORIGIN = "its manifest is not the one that whoever used it saw"
_UNREADABLE = "its manifest is not in the form that C2PA asks for"
_UNSIGNED = "its manifest is not signed"
_SIGNATURE = "its signature does not fit its manifest"
_CERTIFICATE = "its certificate was not valid when it signed"
_REVOKED = "its certificate was revoked by whoever issued it"
_UNBOUND = "its manifest is not tied to any content, or to several at once"
_HISTORY = "its history names more than one parent, or the wrong one"
_STAMP = "its time-stamp does not fit its signature"

WORDS = {
    "algorithm.deprecated": "its manifest rests on an algorithm that is no longer safe",
    "algorithm.unsupported": "its manifest rests on an algorithm that is not known here",
    "assertion.action.ingredientMismatch": "its history speaks of something that is not there",
    "assertion.action.malformed": "its history cannot be read",
    "assertion.action.redacted": _REMOVED,
    "assertion.action.redactionMismatch": _REMOVED,
    "assertion.action.softBindingMissing": "its history speaks of a mark that is not described",
    "assertion.bmffHash.malformed": _MALFORMED,
    "assertion.bmffHash.mismatch": _CONTENT,
    "assertion.boxesHash.malformed": _MALFORMED,
    "assertion.boxesHash.mismatch": _CONTENT,
    "assertion.boxesHash.unknownBox": "its content has parts that were not signed",
    "assertion.cbor.invalid": _MALFORMED,
    "assertion.collectionHash.incorrectFileCount": "its folder has files that were not signed",
    "assertion.collectionHash.invalidURI": _MALFORMED,
    "assertion.collectionHash.malformed": _MALFORMED,
    "assertion.collectionHash.mismatch": _CONTENT,
    "assertion.dataHash.malformed": _MALFORMED,
    "assertion.dataHash.mismatch": _CONTENT,
    "assertion.dataHash.redacted": _REMOVED,
    "assertion.hardBinding.redacted": _REMOVED,
    "assertion.hashedURI.mismatch": _STATEMENT,
    "assertion.inaccessible": _LACKS,
    "assertion.ingredient.malformed": "its list of what it was made from cannot be read",
    "assertion.json.invalid": _MALFORMED,
    "assertion.metadata.disallowed": "its manifest makes a statement that it may not make",
    "assertion.missing": _LACKS,
    "assertion.multipleHardBindings": _UNBOUND,
    "assertion.notRedacted": "its manifest has a statement that should have been removed",
    "assertion.outsideManifest": _LACKS,
    "assertion.required.missing": "its manifest lacks a statement that every manifest must make",
    "assertion.selfRedacted": _REMOVED,
    "assertion.timestamp.malformed": "its time-stamp cannot be read",
    "assertion.undeclared": "its manifest holds a statement that was not signed",
    "claim.cbor.invalid": _UNREADABLE,
    "claim.hardBindings.missing": _UNBOUND,
    "claim.malformed": _UNREADABLE,
    "claim.missing": _UNREADABLE,
    "claim.multiple": _UNREADABLE,
    "claimSignature.mismatch": _SIGNATURE,
    "claimSignature.missing": _UNSIGNED,
    "claimSignature.outsideValidity": _CERTIFICATE,
    "general.error": "its manifest could not be checked to the end",
    "hashedURI.mismatch": _STATEMENT,
    "hashedURI.missing": _LACKS,
    "ingredient.claimSignature.mismatch": _SIGNATURE,
    "ingredient.claimSignature.missing": _UNSIGNED,
    "ingredient.hashedURI.mismatch": _ORIGIN,
    "ingredient.manifest.mismatch": _ORIGIN,
    "ingredient.manifest.missing": "its manifest is not in the file",
    "ingredient.unknownProvenance": "its origin is not known",
    "manifest.compressed.invalid": _UNREADABLE,
    "manifest.inaccessible": "its manifest is elsewhere and was not fetched",
    "manifest.missing": "its manifest is not in the file",
    "manifest.multipleParents": _HISTORY,
    "manifest.timestamp.invalid": _STAMP,
    "manifest.timestamp.wrongParents": _HISTORY,
    "manifest.unknown": _UNREADABLE,
    "manifest.unreferenced": "its file carries a manifest that nothing speaks of",
    "manifest.update.invalid": "its history was continued in a way that C2PA forbids",
    "manifest.update.wrongParents": _HISTORY,
    "signingCredential.expired": _CERTIFICATE,
    "signingCredential.invalid": "its certificate may not sign such claims",
    "signingCredential.ocsp.inaccessible": "its certificate could not be asked after",
    "signingCredential.ocsp.revoked": _REVOKED,
    "signingCredential.ocsp.unknown": "its certificate is not known to whoever issued it",
    "signingCredential.revoked": _REVOKED,
    "signingCredential.untrusted": "its signer is on none of the lists",
    "timeStamp.credentialInvalid": "its time-stamp is by a certificate that may not give any",
    "timeStamp.malformed": "its time-stamp cannot be read",
    "timeStamp.mismatch": _STAMP,
    "timeStamp.outsideValidity": "its time-stamp was given when a certificate was not valid",
    "timeStamp.untrusted": "its time-stamp's authority is on none of the lists",
}
RULES = frozenset(  # broken by whoever signed, not by whoever changed it afterwards
    {
        "algorithm.unsupported",
        "assertion.action.ingredientMismatch",
        "assertion.action.malformed",
        "assertion.action.redacted",
        "assertion.action.redactionMismatch",
        "assertion.action.softBindingMissing",
        "assertion.dataHash.redacted",
        "assertion.hardBinding.redacted",
        "assertion.metadata.disallowed",
        "assertion.multipleHardBindings",
        "assertion.notRedacted",
        "assertion.selfRedacted",
        "claim.hardBindings.missing",
        "manifest.multipleParents",
        "manifest.timestamp.wrongParents",
        "manifest.update.invalid",
        "manifest.update.wrongParents",
    }
)


def phrase(code: str, explanation: str) -> str:
    """A code in words.

    >>> phrase("assertion.dataHash.mismatch", "hash does not match")
    'its content is not what was signed'
    >>> phrase("new.code", "something else")
    'its manifest does not hold: something else (new.code)'
    """
    if code in WORDS:
        return WORDS[code]
    told = f"{explanation} ({code})" if explanation else code
    return f"its manifest does not hold: {told}"


def phrases(codes: Mapping[str, str]) -> str:
    """Codes with their explanations, each reason once.

    A time-stamp is about a signature: where that does not hold either, it goes without saying.
    """
    telling = {code: text for code, text in codes.items() if not code.startswith("timeStamp.")}
    told = dict.fromkeys(phrase(code, text) for code, text in (telling or codes).items())
    return "; ".join(told) or "its manifest does not hold, and C2PA gives no reason"


def of_another(codes: Mapping[str, str]) -> str:
    """The same for the middle of a sentence about something else.

    >>> of_another({"claimSignature.mismatch": ""})
    'whose signature does not fit its manifest'
    """
    told = phrases(codes).split("; ")
    return " and ".join(f"whose {each.removeprefix('its ')}" for each in told)
