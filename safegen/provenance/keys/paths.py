"""Whether certificates lead to a trusted root: RFC 5280, section 6, for files, receipts and heads.

    leaf  <- intermediates, in any order ->  one of the anchors

The path is found and validated by `cryptography.x509.verification`. Its usual policies are the
web's; here an authority needs basic constraints and, where it states a key usage, keyCertSign, and
what a signer of claims needs is C2PA's matter (`profile`). Roots are judged like every other
authority: their dates, key usage and path length bind.

Three things that library does not do, and C2PA's chains may need: it refuses authorities over
Ed25519 keys and RSA keys that are for RSASSA-PSS alone, roots of X.509's first version, and
constraints on directory names, which RFC 5280 has us process. Where one of them occurs, it is shown
copies: the same certificates over keys of our own, without those constraints, each issued by the
copy of whoever issued the original, where that signature holds. The constraints themselves are the
matter of `names`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import PublicKeyAlgorithmOID

from safegen.provenance.keys import name_constraints, profile
from safegen.provenance.keys.pem import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    Certificates = Sequence[x509.Certificate]

MAX_AUTHORITIES = 8  # authorities between a leaf and its root
# Different certificates of a chain that are looked at; strangers write chains.
MAX_CERTIFICATES = 32
BINDING = (  # extensions that can refuse a path, also where they are not marked as critical
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.NameConstraints,
    x509.SubjectAlternativeName,
)
USUAL_KEYS = {PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5, PublicKeyAlgorithmOID.EC_PUBLIC_KEY}
_WORDS = {  # what the library says, and what it means
    "path length": "an authority allows fewer authorities below it than there are",
    "depth": f"there are more than {MAX_AUTHORITIES} authorities between it and its root",
    "not valid at": "one of its certificates was not valid at that time",
    "critical ext": "one of its certificates has a critical extension that is not known here",
    "basicConstraints": "one of its issuers is no authority",
    "keyCertSign": "one of its issuers may not issue certificates",
    "name constraints": "an authority may not issue certificates for such names",
    "name constraint": "an authority limits names in a way that is not known here",
    "key algorithm": "one of its issuers has a key of an unusual kind",
    "signature does not match": "no certificate that came with it or is trusted issued it",
    "no interior errors": "no certificate that came with it or is trusted issued it",
    "signature algorithm": "one of its certificates was signed in an unusual or a weak way",
}


def refusal(
    leaf: x509.Certificate, intermediates: Certificates, anchors: Certificates, at: datetime
) -> str | None:
    """Why a certificate does not lead to a trusted one, in words; None when it does.

    Args:
        leaf: whose path it is.
        intermediates: other certificates that were shown with it, in any order.
        anchors: the certificates that are trusted.
        at: the time at which the path must be valid, with a time zone.
    """
    if not anchors:
        return "no root is trusted"
    intermediates = list(dict.fromkeys(intermediates))
    if len(intermediates) > MAX_CERTIFICATES:
        return (
            f"it comes with {len(intermediates)} certificates, and {MAX_CERTIFICATES} are looked at"
        )
    try:
        shown = _copies([leaf, *intermediates, *anchors], anchors)
        return name_constraints.violation(_path(shown, leaf, intermediates, anchors, at))
    except verification.VerificationError as error:
        return _in_words(str(error))
    except UNREADABLE as error:
        return f"its certificates cannot be judged ({error})"


def moment_of(at: datetime, certificates: Iterable[x509.Certificate]) -> datetime:
    """The first moment from which on nothing changed until `at`, so that answers can be kept."""
    changes = [
        change
        for each in certificates
        for change in (
            each.not_valid_before_utc,
            each.not_valid_after_utc + timedelta(seconds=1),
        )
    ]
    return max((change for change in changes if change <= at), default=at)


def _path(
    shown: Mapping[x509.Certificate, x509.Certificate],
    leaf: x509.Certificate,
    intermediates: Certificates,
    anchors: Certificates,
    at: datetime,
) -> list[x509.Certificate]:
    """The valid path, leaf first, in the certificates themselves."""
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([shown[each] for each in anchors]))
        .time(at)
        .max_chain_depth(MAX_AUTHORITIES)
        .extension_policies(ca_policy=_authorities(), ee_policy=_signers())
        .build_client_verifier()
    )
    found = verifier.verify(shown[leaf], [shown[each] for each in intermediates])
    originals = {copy: original for original, copy in shown.items()}
    return [originals[each] for each in found.chain]


def _authorities() -> verification.ExtensionPolicy:
    agnostic = verification.Criticality.AGNOSTIC
    return (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, agnostic, None)
        .may_be_present(x509.KeyUsage, agnostic, _issues)
    )


def _signers() -> verification.ExtensionPolicy:
    return verification.ExtensionPolicy.permit_all()


def _issues(_: verification.Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("an issuer lacks keyCertSign")


def _in_words(said: str) -> str:
    return next((words for key, words in _WORDS.items() if key in said), said)


def _copies(
    certificates: Iterable[x509.Certificate], anchors: Certificates
) -> dict[x509.Certificate, x509.Certificate]:
    """What the library is shown for each: itself, or a copy where it could not judge some."""
    real = list(dict.fromkeys(certificates))
    if not any(_beyond_the_library(each) for each in real):
        return {each: each for each in real}
    keys = {_key_of(each): ec.generate_private_key(ec.SECP256R1()) for each in real}
    return {each: _copy(each, real, keys, is_root=each in anchors) for each in real}


def _beyond_the_library(certificate: x509.Certificate) -> bool:
    unusual = certificate.public_key_algorithm_oid not in USUAL_KEYS
    return (
        (unusual and profile.is_authority(certificate))
        or certificate.version is x509.Version.v1
        or name_constraints.constrains_directories(certificate)
    )


def _copy(
    certificate: x509.Certificate,
    certificates: Certificates,
    keys: Mapping[bytes, ec.EllipticCurvePrivateKey],
    *,
    is_root: bool,
) -> x509.Certificate:
    """The same certificate over another key; issued by itself where none of these issued it."""
    issuer = next((each for each in certificates if _issued(certificate, each)), certificate)
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(keys[_key_of(certificate)].public_key())
        .serial_number(certificate.serial_number)
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(certificate.not_valid_after_utc)
    )
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.NameConstraints):
            value = name_constraints.others(value)
        if value is not None and (extension.critical or isinstance(value, BINDING)):
            builder = builder.add_extension(value, extension.critical)
    if is_root and certificate.version is x509.Version.v1:  # whoever lists it says what it is
        authority = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(authority, critical=True)
    return builder.sign(keys[_key_of(issuer)], hashes.SHA256())


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the signature of one by another holds, and neither it nor the key is weak."""
    known = certificate.signature_algorithm_oid in profile.VERIFIABLE_SIGNATURES
    if not known or not profile.is_strong(issuer) or certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _key_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
