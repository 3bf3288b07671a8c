"""Detached signatures over records: made by a Signer, checked with nothing but trusted roots."""

from __future__ import annotations

import base64
import binascii
import functools
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm

from safegen.provenance.keys import algorithms
from safegen.provenance.keys.chain import check_chain
from safegen.provenance.keys.pem import parsed_pem
from safegen.schemas.signature import Signature

if TYPE_CHECKING:
    from datetime import datetime

    from safegen.provenance.keys.profile import Finding
    from safegen.provenance.keys.signer import Signer

TIMES = {"expired", "not-yet-valid"}
UNREADABLE = "its signature cannot be read"
LINKS = {"no-path", "self-signed", "wrong-issuer", "out-of-order"}


def sign(data: bytes, signer: Signer) -> Signature:
    """Sign bytes, and show the certificates of who did."""
    return Signature(
        algorithm=signer.algorithm,
        chain=signer.chain.decode(),
        value=base64.b64encode(signer.sign(data)).decode(),
    )


def signature_error(
    signature: Signature, data: bytes, anchors: bytes, when: datetime
) -> str | None:
    """What is wrong with who signed, or with what they signed, in words; None when it stands.

    Args:
        signature: as it was found.
        data: what it should cover.
        anchors: PEM certificates to trust.
        when: the time at which the certificates must have been valid; with a time zone.
    """
    try:
        findings = _examined(signature.chain, anchors, when)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return UNREADABLE
    against = next((finding for finding in findings if finding.grade != "note"), None)
    return mismatch(signature, data) if against is None else _in_words(against)


def mismatch(signature: Signature, data: bytes) -> str | None:
    """Why a signature is not over these bytes by the key that it shows; None when it is.

    Whose key that is stays open: anybody can show certificates of his own.
    """
    try:
        value = base64.b64decode(signature.value, validate=True)
        key = parsed_pem(signature.chain.encode())[0].public_key()
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        return UNREADABLE
    if algorithms.algorithm_of(key) != signature.algorithm:
        return "its signer's key is of another kind than its signature"
    if not algorithms.verifies(signature.algorithm, key, value, data):
        return "its signature does not match its content"
    return None


@functools.lru_cache(maxsize=64)  # a release's receipts share their chain, and mostly their second
def _examined(pem: str, anchors: bytes, when: datetime) -> tuple[Finding, ...]:
    chain = parsed_pem(pem.encode())
    return check_chain(chain, parsed_pem(anchors), at=when)


def _in_words(finding: Finding) -> str:
    """A finding about a chain, said of what was signed with it."""
    if finding.code in TIMES:
        return f"its signer was not valid when it was signed: {finding.text}"
    if finding.code in LINKS or finding.code.startswith(("issuer-", "path-")):
        return f"its signer does not lead to a trusted root: {finding.text}"
    return f"its signer may not sign claims: {finding.text}"
