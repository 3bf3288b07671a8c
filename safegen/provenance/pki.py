"""A development certificate chain: root, issuing CA, leaf.

The leaf follows C2PA's certificate profile: critical key usage digitalSignature and
nonRepudiation, extended key usage C2PA claim signing and document signing, key identifiers, a
certificate policy. Everything else that a verifier may ask of a real authority is missing: use
this chain to develop and to test, and name a real one when strangers must trust the result.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from safegen import storage
from safegen.errors import KeyMaterialError

if TYPE_CHECKING:
    from pathlib import Path

CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
C2PA_POLICY = ObjectIdentifier("1.3.6.1.4.1.62558.1.1")

ROOT, ISSUER, LEAF = "root.pem", "issuing-ca.pem", "leaf.pem"
ROOT_KEY, ISSUER_KEY, LEAF_KEY = "root.key", "issuing-ca.key", "leaf.key"
YEARS = {ROOT: 10, ISSUER: 5, LEAF: 1}
ROLES = {ROOT: "root", ISSUER: "issuing CA", LEAF: "signer"}
LONGEST_NAME = 50  # of 64 in a certificate, with room for the role
SKEW = timedelta(hours=1)  # a verifier's clock may run behind

_Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def init(folder: Path, *, organisation: str = "safegen development") -> None:
    """Make a chain in `folder`: certificates in `*.pem`, keys in `*.key` with mode 0600.

    Args:
        folder: made when it is missing; nothing in it may be overwritten.
        organisation: whose name the certificates carry.

    Raises:
        KeyMaterialError: a chain is there already.
        StorageError: the folder cannot be written.
    """
    present = [name for name in (*YEARS, LEAF_KEY) if (folder / name).exists()]
    if present:
        raise KeyMaterialError(
            f"{folder} already holds {present[0]}; a chain is never overwritten: name a new folder"
        )
    if not 1 <= len(organisation) <= LONGEST_NAME or not organisation.isprintable():
        raise KeyMaterialError(
            f"an organisation's name is 1 to {LONGEST_NAME} printable letters; shorten it"
        )
    storage.require_writable(folder)
    root = _issue(ROOT, organisation, curve=ec.SECP384R1(), path_length=1)
    issuer = _issue(ISSUER, organisation, curve=ec.SECP384R1(), path_length=0, issuer=root)
    leaf = _issue(LEAF, organisation, curve=ec.SECP256R1(), path_length=None, issuer=issuer)
    for (certificate, key), name, key_name in (
        (root, ROOT, ROOT_KEY),
        (issuer, ISSUER, ISSUER_KEY),
        (leaf, LEAF, LEAF_KEY),
    ):
        storage.write(folder / key_name, _key_pem(key), mode=0o600)
        storage.write(folder / name, certificate.public_bytes(serialization.Encoding.PEM))


def may_sign_claims(leaf: x509.Certificate) -> bool:
    """Whether a certificate's extended key usage lets its key sign C2PA claims."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return CLAIM_SIGNING in usage


def _issue(
    name: str,
    organisation: str,
    *,
    curve: ec.EllipticCurve,
    path_length: int | None,
    issuer: _Issuer | None = None,
) -> _Issuer:
    """Issue one certificate; a path length makes it an authority, none makes it a leaf."""
    key = ec.generate_private_key(curve)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation} {ROLES[name]}"),
        ]
    )
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    now = datetime.now(UTC)
    leaf = path_length is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=365 * YEARS[name]))
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(_key_usage(leaf=leaf), critical=True)
    )
    if leaf:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([CLAIM_SIGNING, DOCUMENT_SIGNING]), critical=False
        ).add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(C2PA_POLICY, None)]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA384()), key


def _key_usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=leaf,
        content_commitment=leaf,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
