"""What C2PA asks of one certificate, a rule a function.

The rules are C2PA 2.2's certificate profile (section 14.5.1) where verifiers hold to it, and the
stricter of two independent verifiers where they differ: a signature that one of them refuses is
not one to rely on. A test signs with every broken certificate here and asks both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from cryptography.x509.oid import SignatureAlgorithmOID as Signed

from safegen.provenance.keys import algorithms
from safegen.provenance.keys.pem import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
SIGNING = {CLAIM_SIGNING, DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION}
EXCLUSIVE = {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING}
SOUND_SIGNATURES = {
    Signed.RSA_WITH_SHA256,
    Signed.RSA_WITH_SHA384,
    Signed.RSA_WITH_SHA512,
    Signed.ECDSA_WITH_SHA256,
    Signed.ECDSA_WITH_SHA384,
    Signed.ECDSA_WITH_SHA512,
    Signed.ED25519,
}
VERIFIABLE_SIGNATURES = SOUND_SIGNATURES | {Signed.RSASSA_PSS}
EXPIRY_WARNING = timedelta(days=30)

Grade = Literal["invalid", "untrusted", "note"]
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a chain that its owner should know.

    Attributes:
        code: a short name that does not change.
        grade: `invalid`: a verifier refuses the signature. `untrusted`: the signature holds, and a
            verifier will not say who made it. `note`: trusted today; mend it when you can.
        text: a sentence, with the way out.
    """

    code: str
    grade: Grade
    text: str


def name_of(certificate: x509.Certificate) -> str:
    """A certificate's common name in quotation marks, or its whole subject."""
    return _named(certificate.subject)


def issuer_of(certificate: x509.Certificate) -> str:
    """Its issuer's, likewise."""
    return _named(certificate.issuer)


def has_readable_extensions(certificate: x509.Certificate) -> bool:
    """Whether the extensions can be parsed at all; the rules below need it."""
    try:
        return certificate.extensions is not None
    except UNREADABLE:
        return False


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate says that its key may issue others."""
    constraints = extension_of(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.value.ca


def usages(certificate: x509.Certificate) -> frozenset[ObjectIdentifier]:
    """The extended key usages; empty when there are none."""
    extended = extension_of(certificate, x509.ExtendedKeyUsage)
    return frozenset(extended.value) if extended is not None else frozenset()


def leaf_findings(leaf: x509.Certificate, at: datetime) -> Iterator[Finding]:
    """What is wrong with a certificate as a signer of claims."""
    yield from _key(leaf)
    yield from _validity(leaf, at, "invalid")
    yield from _signed_soundly(leaf, "invalid")
    yield from _extended_usage(leaf)
    yield from _usage(leaf)
    yield from _leaf_identity(leaf)
    yield from _critical(leaf, "invalid")


def issuer_findings(issuer: x509.Certificate, below: int, at: datetime) -> Iterator[Finding]:
    """What is wrong with a certificate as an issuer.

    Args:
        issuer: an intermediate, not a trusted root.
        below: how many other authorities stand between it and the leaf.
        at: the time of the signature.
    """
    yield from _validity(issuer, at, "untrusted")
    yield from _signed_soundly(issuer, "untrusted")
    yield from _critical(issuer, "untrusted")
    who = name_of(issuer)
    yield from _authority(issuer, stated=False)
    if extension_of(issuer, x509.SubjectKeyIdentifier) is None:
        yield _untrusted("issuer-key-id", f"{who} lacks a subject key identifier")
    if extension_of(issuer, x509.AuthorityKeyIdentifier) is None:
        yield _untrusted("issuer-key-id", f"{who} lacks an authority key identifier")
    yield from path_length(issuer, below)


def root_findings(root: x509.Certificate, below: int, at: datetime) -> Iterator[Finding]:
    """What is wrong with a trusted root that a chain leads to.

    The C2PA SDK asks nothing of a root; what a root says of itself binds here (RFC 5280).
    """
    yield from _validity(root, at, "untrusted")
    yield from _critical(root, "untrusted")
    yield from _authority(root, stated=True)
    yield from path_length(root, below)


def _authority(issuer: x509.Certificate, *, stated: bool) -> Iterator[Finding]:
    """Whether a certificate may issue others; a root may leave its key usage unstated."""
    who = name_of(issuer)
    if not is_strong(issuer):
        key = algorithms.describe(issuer.public_key())
        yield _untrusted("issuer-key", f"{who} signs with {key}, too weak or too unusual a key")
    if not is_authority(issuer) and not (stated and issuer.version is x509.Version.v1):
        yield _untrusted("issuer-not-authority", f"{who} is not an authority: CA:TRUE is missing")
    usage = extension_of(issuer, x509.KeyUsage)
    if (usage is None and not stated) or (usage is not None and not usage.value.key_cert_sign):
        yield _untrusted("issuer-usage", f"{who} lacks the key usage keyCertSign")


def path_length(issuer: x509.Certificate, below: int) -> Iterator[Finding]:
    """Whether an authority allows as many authorities below it as there are."""
    constraints = extension_of(issuer, x509.BasicConstraints)
    longest = constraints.value.path_length if constraints is not None else None
    if longest is not None and below > longest:
        yield _untrusted(
            "path-length",
            f"{name_of(issuer)} allows {longest} authorities below it, and there are {below}",
        )


def _named(name: x509.Name) -> str:
    common = [str(entry.value) for entry in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return f'"{(common or [name.rfc4514_string()])[0] or "without a name"}"'


def extension_of(
    certificate: x509.Certificate, kind: type[_Extension]
) -> x509.Extension[_Extension] | None:
    """One extension of a certificate whose extensions can be read; None where it has none."""
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _invalid(code: str, text: str) -> Finding:
    return Finding(code=code, grade="invalid", text=f"{text}; ask its issuer for one that fits")


def _untrusted(code: str, text: str) -> Finding:
    return Finding(
        code=code, grade="untrusted", text=f"{text}; not every verifier will trust what it backs"
    )


def _key(leaf: x509.Certificate) -> Iterator[Finding]:
    key = leaf.public_key()
    if algorithms.algorithm_of(key) is None:
        yield _invalid(
            "unsupported-key",
            f"{name_of(leaf)} is over a key of the kind {algorithms.describe(key)}, and safegen "
            f"signs with {algorithms.ACCEPTED_KEYS}",
        )


def _validity(certificate: x509.Certificate, at: datetime, grade: Grade) -> Iterator[Finding]:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    who, clock = name_of(certificate), f"{at:%Y-%m-%d %H:%M} UTC"
    if at > end:
        text = f"{who} expired on {end.date()}; renew it, unless the clock is wrong ({clock})"
        yield Finding(code="expired", grade=grade, text=text)
    elif at < start:
        text = (
            f"{who} is valid only from {start:%Y-%m-%d %H:%M} UTC, and the clock says {clock}; "
            "set this machine's clock right, or wait"
        )
        yield Finding(code="not-yet-valid", grade=grade, text=text)
    elif end - at < EXPIRY_WARNING:
        text = f"{who} expires on {end.date()}, in {(end - at).days} days; renew it in time"
        yield Finding(code="expires-soon", grade="note", text=text)


def _signed_soundly(certificate: x509.Certificate, grade: Grade) -> Iterator[Finding]:
    if certificate.signature_algorithm_oid == Signed.RSASSA_PSS:
        yield _untrusted(
            "weak-signature", f"{name_of(certificate)} was signed by its issuer with RSASSA-PSS"
        )
    elif certificate.signature_algorithm_oid not in SOUND_SIGNATURES:
        text = (
            f"{name_of(certificate)} was signed by its issuer with "
            f"{_algorithm_name(certificate)}, which C2PA refuses; ask for SHA-256, SHA-384, "
            "SHA-512 or Ed25519"
        )
        yield Finding(code="weak-signature", grade=grade, text=text)


def _algorithm_name(certificate: x509.Certificate) -> str:
    oid = certificate.signature_algorithm_oid
    return getattr(oid, "_name", oid.dotted_string)


def _extended_usage(leaf: x509.Certificate) -> Iterator[Finding]:
    found, who = usages(leaf), name_of(leaf)
    may = "extended key usage"
    if not found:
        yield _invalid("usage-missing", f"{who} has no {may}; it needs C2PA claim signing")
    elif ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in found:
        yield _invalid("usage-any", f"{who} has the {may} 'any', which C2PA refuses")
    elif EXCLUSIVE & found:
        yield _invalid(
            "usage-mixed", f"{who} is for time stamps or OCSP answers ({may}), not for claims"
        )
    elif not SIGNING & found:
        names = ", ".join(sorted(_algorithm_free_name(oid) for oid in found))
        yield _invalid("usage-wrong", f"{who} may not sign C2PA claims: its {may} is only {names}")
    elif CLAIM_SIGNING not in found:
        text = (
            f"{who} is for signing documents or mail, not for C2PA claims; older verifiers take "
            "it, and one that asks for claim signing does not"
        )
        yield Finding(code="usage-other", grade="note", text=text)


def _algorithm_free_name(oid: ObjectIdentifier) -> str:
    name = getattr(oid, "_name", "")
    return oid.dotted_string if name in {"", "Unknown OID"} else name


def _usage(leaf: x509.Certificate) -> Iterator[Finding]:
    usage, who = extension_of(leaf, x509.KeyUsage), name_of(leaf)
    if usage is None:
        yield _invalid("key-usage-missing", f"{who} has no key usage; it needs digitalSignature")
        return
    if not usage.value.digital_signature:
        yield _invalid("key-usage-wrong", f"{who} lacks the key usage digitalSignature")
    if usage.value.key_cert_sign:
        yield _invalid("key-usage-wrong", f"{who} has keyCertSign, which is for authorities")
    if not usage.critical:
        text = f"{who} does not mark its key usage as critical, as C2PA's profile wants it"
        yield Finding(code="key-usage-not-critical", grade="note", text=text)


def _leaf_identity(leaf: x509.Certificate) -> Iterator[Finding]:
    who = name_of(leaf)
    if is_authority(leaf):
        yield _invalid("authority", f"{who} is an authority (CA:TRUE), and may not sign claims")
    if extension_of(leaf, x509.AuthorityKeyIdentifier) is None:
        yield _invalid("no-authority-key-id", f"{who} lacks an authority key identifier")
    if extension_of(leaf, x509.SubjectKeyIdentifier) is None:
        text = f"{who} lacks a subject key identifier, which C2PA's profile recommends"
        yield Finding(code="no-subject-key-id", grade="note", text=text)


def _critical(certificate: x509.Certificate, grade: Grade) -> Iterator[Finding]:
    for extension in certificate.extensions:
        if extension.critical and isinstance(extension.value, x509.UnrecognizedExtension):
            text = (
                f"{name_of(certificate)} has a critical extension that verifiers do not know "
                f"({extension.oid.dotted_string}); ask its issuer for one without it"
            )
            yield Finding(code="unknown-critical", grade=grade, text=text)


def is_strong(issuer: x509.Certificate) -> bool:
    """Whether an authority's key is one that C2PA takes."""
    key = issuer.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= algorithms.MIN_RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in algorithms.CURVE_NAMES
    return isinstance(key, ed25519.Ed25519PublicKey)
