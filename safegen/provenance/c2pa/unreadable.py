"""Why a manifest cannot be read, in words that people know, from those of the C2PA SDK.

The SDK's words speak of its own parts ("expected JUMD"), change with its versions, and may quote
the file. They stay in the error's cause, for whoever looks for a defect.
"""

from __future__ import annotations

import re

from safegen.provenance.media.formats import called

_CUT = "it, or the manifest in it, ends too early; it was cut off, or changed"
_PARTS = "its manifest is broken: parts of it are missing, or not where they should be"
_CODED = "its manifest is broken: what it says cannot be decoded"
_STATED = "its manifest makes a statement that cannot be read"
_CERTIFICATE = "its signature is broken: the certificate in it cannot be read"
_SIGNATURE = "its signature cannot be read"
_CLAIM = "its manifest's claim, to which all else belongs, cannot be read"

_WORDS = (  # in this order; the first that fits
    (r"^Other: asset could not be parsed", None),  # about the file, whose type is named then
    (r"claim could not be converted|claim_cbor|JUMBF for claim|claim description", _CLAIM),
    (r"could not decode assertion", _STATED),
    (r"AssertionNotFound", "its manifest lacks a statement that it speaks of"),
    (r"parsing certificate", _CERTIFICATE),
    (r"^Signature|claim signature", _SIGNATURE),
    (r"CBOR|UTF-8|Json", _CODED),
    (r"unknown algorithm", "its manifest rests on an algorithm that is not known here"),
    (r"(?i)jum[bd]|superbox|box|block not found", _PARTS),
    (r"end of file|fill whole buffer|out of range", _CUT),
    (r"XMP", "its metadata speak of a manifest, and none is where they say"),
    (r"PDF read error", None),
)


def why(error: Exception, mime: str) -> str:
    """What is wrong, for the middle of a sentence.

    >>> why(ValueError("Verify: expected JUMD"), "image/png")
    'its manifest is broken: parts of it are missing, or not where they should be'
    >>> why(ValueError("Other: asset could not be parsed: PNG out of range"), "image/png")
    'it is not a whole PNG: it was cut off or changed, or is something else'
    """
    for pattern, words in _WORDS:
        if re.search(pattern, str(error)):
            return words or (
                f"it is not a whole {called(mime)}: it was cut off or changed, or is something else"
            )
    return "its manifest is broken, or made in a way that is not known here"
