"""Detached signatures over records: made by a Signer, checked with nothing but trusted roots."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from safegen.provenance.pki import may_sign_claims
from safegen.records.signature import Signature

if TYPE_CHECKING:
    from datetime import datetime

    from safegen.provenance.signer import Signer


def sign(data: bytes, signer: Signer) -> Signature:
    """Sign bytes, and show the certificates of who did."""
    return Signature(
        algorithm=signer.algorithm,
        chain=signer.chain.decode(),
        value=base64.b64encode(signer.sign(data)).decode(),
    )


def problem_with(signature: Signature, data: bytes, anchors: bytes, when: datetime) -> str | None:
    """What is wrong with who signed, or with what they signed, in words; None when it stands.

    Args:
        signature: as it was found.
        data: what it should cover.
        anchors: PEM certificates to trust.
        when: the time at which the certificates must have been valid; with a time zone.
    """
    try:
        chain = x509.load_pem_x509_certificates(signature.chain.encode())
        value = base64.b64decode(signature.value, validate=True)
        roots = x509.load_pem_x509_certificates(anchors)
    except (ValueError, binascii.Error):
        return "its signature cannot be read"
    broken_chain = _problem_with_chain(chain, roots, when)
    if broken_chain:
        return broken_chain
    key = chain[0].public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return "its signer's key is of another kind than its signature"
    try:
        key.verify(value, data, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return "its signature does not match its content"
    return None


def _problem_with_chain(
    chain: list[x509.Certificate], roots: list[x509.Certificate], when: datetime
) -> str | None:
    """What is wrong with a chain at a time: each issued by the next, the last by a root."""
    for certificate in chain:
        if not certificate.not_valid_before_utc <= when <= certificate.not_valid_after_utc:
            return f"{certificate.subject.rfc4514_string()} was not valid when it was signed"
    if not may_sign_claims(chain[0]):
        return "its signer may not sign claims"
    links = zip(chain, [*chain[1:], None], strict=True)
    for certificate, issuer in links:
        candidates = [issuer] if issuer is not None else roots
        if not any(_issued(certificate, candidate) for candidate in candidates):
            return "its signer does not lead to a trusted root"
    return None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        authority = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return authority
