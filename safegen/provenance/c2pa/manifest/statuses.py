"""What each of C2PA's validation codes is about; only some are about bytes.

A manifest store is validated as one, and the C2PA SDK calls a file invalid for whatever failed in
it, also where nothing was changed: somebody's identity could not be asked after, or a time-stamp's
authority is on no list. Whoever used an ingredient could, in C2PA 1, write any code into one list:
successes, information, and codes of a vendor's own. So each code is told apart here, once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

UNTRUSTED = "signingCredential.untrusted"
UNASKED = frozenset({"signingCredential.ocsp.skipped", "signingCredential.ocsp.inaccessible"})
NO_FAULTS = UNASKED | {  # C2PA 2.2, tables of informational codes (section 15.2)
    "algorithm.deprecated",
    "ingredient.unknownProvenance",
    "manifest.unknownProvenance",
    "timeOfSigning.insideValidity",
    "timeOfSigning.outsideValidity",
}
_SUCCESS = re.compile(
    r"\.(validated|match|trusted|insideValidity|notRevoked|accessible|additionalExclusionsPresent"
    r"|well-formed|wellFormed|credential_valid)$"
)
_IDENTITY = re.compile(r"c2pa\.assertions/(cawg\.identity(?:__\d+)?)$")
_TIME = ("timeStamp.", "assertion.timestamp.")
_SIGNER = ("signingCredential.", "claimSignature.outsideValidity")
_STANDARD = re.compile(  # the first words of C2PA's own codes; a vendor's begin otherwise
    r"(algorithm|assertion|claim|claimSignature|general|hashedURI|ingredient|manifest"
    r"|signingCredential|timeOfSigning|timeStamp)\."
)

Concern = Literal["nothing", "identity", "time", "signer", "vendor", "content"]


def concern(code: str, url: str = "") -> Concern:
    """What a failure with this code would speak against.

    Args:
        code: of a validation status.
        url: what it is about; of a manifest's own parts, in JUMBF.

    Returns:
        `nothing`: it is a success or information. `identity`: what a manifest says of a person or
        an organisation. `time`: a time-stamp. `signer`: the signing certificate. `vendor`: a code
        that C2PA does not know. `content`: all else, the file's and the manifest's own bytes.

    >>> concern("claimSignature.validated"), concern("cawg.ica.did_unavailable")
    ('nothing', 'identity')
    >>> concern("assertion.dataHash.mismatch"), concern("org.example.scan.infected")
    ('content', 'vendor')
    """
    if _SUCCESS.search(code) or code in NO_FAULTS:
        return "nothing"
    if code.startswith("cawg.") or identity_in(url) is not None:
        return "identity"
    if code.startswith(_TIME):
        return "time"
    if code.startswith(_SIGNER):
        return "signer"
    return "content" if _STANDARD.match(code) else "vendor"


def identity_in(url: str) -> str | None:
    """The label of the identity assertion that a status is about; None when it is about others."""
    found = _IDENTITY.search(url)
    return found and found[1]


def faults(statuses: Any, *, mixed: bool = False) -> dict[str, str]:  # noqa: ANN401 - the SDK's JSON
    """What is wrong with an ingredient, with C2PA's explanations.

    That nobody here knows its signer is no fault of an ingredient: its list is another.

    Args:
        statuses: found, or recorded by whoever used it.
        mixed: whether they are a list of C2PA 1, which holds whatever was found; a vendor's own
            code in it says nothing that is known here.
    """
    concerns: set[Concern] = {"content", "signer"} if mixed else {"content", "signer", "vendor"}
    found = reasons(statuses, concerns)
    found.pop(UNTRUSTED, None)
    return found


def failures(statuses: Any) -> dict[str, str]:  # noqa: ANN401 - likewise
    """What failed in a manifest of its own, apart from what it says of persons.

    A code that is not known here is a failure, too, in a list of failures.
    """
    return reasons(statuses, {"content", "signer", "time", "vendor"})


def notes(statuses: Any) -> dict[str, str]:  # noqa: ANN401 - likewise
    """What was found that speaks neither for nor against a manifest, apart from the same."""
    return reasons(statuses, {"nothing", "content", "signer", "time", "vendor"})


def reasons(statuses: Any, concerns: Iterable[Concern]) -> dict[str, str]:  # noqa: ANN401 - likewise
    """Codes with C2PA's explanation of each, of those that concern something."""
    wanted = set(concerns)
    return {
        status["code"]: status.get("explanation") or ""
        for status in statuses or []
        if concern(status["code"], status.get("url") or "") in wanted
    }
