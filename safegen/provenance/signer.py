"""Who signs: the Signer protocol, and a key in a folder; a key is named by a URI.

`file:keys` (or plain `keys`) is a folder with `leaf.key`, `leaf.pem` and `issuing-ca.pem`, as
`safegen keys init keys` makes it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from safegen.errors import KeyMaterialError
from safegen.provenance import pki
from safegen.storage import read

if TYPE_CHECKING:
    from safegen.records.signature import Algorithm


class Signer(Protocol):
    """Signs bytes, and shows the certificates that say who it is.

    Attributes:
        algorithm: C2PA's name of the signature algorithm.
        chain: PEM certificates, leaf first, without the root.
        anchor: the root in PEM, so that a signer can check its own work; None where unknown.
        key_pem: the private key itself in PKCS8 PEM, where it is in this process; else None.
    """

    @property
    def algorithm(self) -> Algorithm: ...  # noqa: D102 - above
    @property
    def chain(self) -> bytes: ...  # noqa: D102 - above
    @property
    def anchor(self) -> bytes | None: ...  # noqa: D102 - above
    @property
    def key_pem(self) -> bytes | None: ...  # noqa: D102 - above

    def sign(self, data: bytes) -> bytes:
        """Sign; for ES256 the answer is DER, as a key service gives it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSigner:
    """A private key read from a file; never logged, never written."""

    algorithm: Algorithm
    chain: bytes
    anchor: bytes | None
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def key_pem(self) -> bytes:
        """The key in PKCS8, so that the C2PA SDK can sign without calling back."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sign(self, data: bytes) -> bytes:
        """Sign with ECDSA over P-256 and SHA-256, DER-encoded."""
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


def open_signer(uri: str | Path) -> FileSigner:
    """Open the signer that a URI names, and check that it can sign now.

    Args:
        uri: `file:FOLDER`, or the folder itself.

    Raises:
        KeyMaterialError: the key or chain is missing, expired, or does not fit; in words.
    """
    scheme, separator, rest = str(uri).partition(":")
    if separator and scheme != "file":
        raise KeyMaterialError(
            f"no signer here opens {scheme}: keys; name a folder, or file:FOLDER"
        )
    folder = Path(rest if separator else str(uri))
    if folder.is_file():
        raise KeyMaterialError(f"{folder} is a file; name the folder that holds the keys")
    for name in (pki.LEAF_KEY, pki.LEAF, pki.ISSUER):
        if not (folder / name).is_file():
            raise KeyMaterialError(
                f"no {name} in {folder}; make a development chain with `safegen keys init "
                f"{folder}`, or name another folder with --keys"
            )
    key = _load_key(folder / pki.LEAF_KEY)
    leaf, issuer = (_load_certificate(folder / name) for name in (pki.LEAF, pki.ISSUER))
    _require_fit(folder, key, leaf, issuer)
    root = folder / pki.ROOT
    if root.is_file() and not _issued(issuer, read_anchors(root)):
        raise KeyMaterialError(f"{folder / pki.ISSUER} was not issued by {pki.ROOT}; pair them")
    pem = serialization.Encoding.PEM
    return FileSigner(
        algorithm="es256",
        chain=leaf.public_bytes(pem) + issuer.public_bytes(pem),
        anchor=read_anchors(root) if root.is_file() else None,
        _key=key,
    )


def read_anchors(path: Path) -> bytes:
    """Certificates to trust, in PEM without anything else that the file may hold.

    Raises:
        KeyMaterialError: the file holds none.
    """
    try:
        certificates = x509.load_pem_x509_certificates(read(path))
    except ValueError as error:
        raise KeyMaterialError(
            f"{path} holds no PEM certificate to trust; name a root, such as keys/root.pem"
        ) from error
    pem = serialization.Encoding.PEM
    return b"".join(certificate.public_bytes(pem) for certificate in certificates)


def _issued(certificate: x509.Certificate, anchors: bytes) -> bool:
    for root in x509.load_pem_x509_certificates(anchors):
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(root)
            return True
    return False


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Load a P-256 key in PKCS8 or SEC1 form."""
    try:
        key = serialization.load_pem_private_key(read(path), password=None)
    except (ValueError, TypeError) as error:
        raise KeyMaterialError(f"{path} is not an unencrypted private key in PEM form") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyMaterialError(f"{path} is not an elliptic-curve key on P-256; make one of those")
    return key


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read(path))
    except ValueError as error:
        raise KeyMaterialError(f"{path} is not a certificate in PEM form") from error


def _require_fit(
    folder: Path, key: ec.EllipticCurvePrivateKey, leaf: x509.Certificate, issuer: x509.Certificate
) -> None:
    """Refuse what C2PA would refuse, before anything is signed."""
    now = datetime.now(UTC)
    for name, certificate in ((pki.LEAF, leaf), (pki.ISSUER, issuer)):
        if now > certificate.not_valid_after_utc:
            when = certificate.not_valid_after_utc.date()
            raise KeyMaterialError(
                f"{folder / name} expired on {when}; renew it, or make a new chain with "
                "`safegen keys init`"
            )
        if now < certificate.not_valid_before_utc:
            when = certificate.not_valid_before_utc
            raise KeyMaterialError(
                f"{folder / name} is valid only from {when:%Y-%m-%d %H:%M} UTC; check this "
                "machine's clock"
            )
    if key.public_key() != leaf.public_key():
        raise KeyMaterialError(f"{folder / pki.LEAF_KEY} is not the key of {pki.LEAF}; pair them")
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise KeyMaterialError(f"{folder / pki.LEAF} was not issued by {pki.ISSUER}") from error
    if not pki.may_sign_claims(leaf):
        raise KeyMaterialError(f"{folder / pki.LEAF} may not sign C2PA claims (extended key usage)")
