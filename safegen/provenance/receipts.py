"""Receipts that can be checked alone: a detached signature, and the chain that backs it."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from safegen.provenance.pki import may_sign_claims
from safegen.provenance.proofs import proves
from safegen.records.canonical import canonical_bytes
from safegen.records.receipt import Receipt, Signature

if TYPE_CHECKING:
    from safegen.provenance.signer import Signer


def sign_receipt(receipt: Receipt, signer: Signer) -> Receipt:
    """The same receipt with its signature."""
    value = signer.sign(canonical_bytes(receipt))
    return receipt.model_copy(
        update={
            "signature": Signature(
                algorithm=signer.algorithm,
                chain=signer.chain.decode(),
                value=base64.b64encode(value).decode(),
            )
        }
    )


def problem_with(receipt: Receipt, anchors: bytes) -> str | None:
    """What is wrong with a receipt, in words; None when it stands.

    Args:
        receipt: as read from its file.
        anchors: PEM certificates to trust.
    """
    if not proves(receipt.entry, receipt.proof):
        return "its proof does not lead from its entry to the root it names"
    if receipt.entry.file_digest != receipt.file_digest:
        return "its log entry is about another file"
    if receipt.signature is None:
        return "it is not signed"
    return _problem_with_signature(receipt, receipt.signature, anchors)


def _problem_with_signature(receipt: Receipt, signature: Signature, anchors: bytes) -> str | None:
    """What is wrong with who signed a receipt, or with what they signed."""
    try:
        chain = x509.load_pem_x509_certificates(signature.chain.encode())
        value = base64.b64decode(signature.value, validate=True)
        when = datetime.fromisoformat(receipt.entry.time).astimezone(UTC)
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
        unsigned = canonical_bytes(receipt.model_copy(update={"signature": None}))
        key.verify(value, unsigned, ec.ECDSA(hashes.SHA256()))
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
