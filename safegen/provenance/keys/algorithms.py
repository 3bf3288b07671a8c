"""The four signature algorithms, each fixed by the key that makes it.

A key decides its algorithm, so that nobody can name one that does not fit: P-256 makes ES256,
P-384 makes ES384, Ed25519 makes Ed25519, RSA makes PS256 (C2PA 2.2, section 13.2). P-521 and its
ES512 are left out: few key services offer it, and nothing here needs it.

Everywhere above C2PA an ECDSA signature is DER, as key services and certificates have it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import (
        PrivateKeyTypes,
        PublicKeyTypes,
    )

    from safegen.schemas.signature import Algorithm

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

ACCEPTED_KEYS = "P-256, P-384, Ed25519, or RSA of 2048 bits or more"
MIN_RSA_BITS = 2048  # bits; C2PA refuses less
DEVELOPMENT_RSA_BITS = 3072  # bits; 128 bits of security, like P-256
SALT_BYTES = 32  # bytes; PS256 takes as much as its hash (RFC 8230, section 2)
CURVES: dict[str, Algorithm] = {"secp256r1": "es256", "secp384r1": "es384"}
CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
DIGESTS = {"es256": "sha256", "es384": "sha384", "ps256": "sha256"}
PSS_PADDING = padding.PSS(padding.MGF1(hashes.SHA256()), SALT_BYTES)


def algorithm_of(key: PublicKeyTypes) -> Algorithm | None:
    """The algorithm that a key makes; None for a key that C2PA, or safegen, does not take."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return CURVES.get(key.curve.name)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return "ps256"
    return None


def describe(key: PublicKeyTypes) -> str:
    """A key's kind and size, as people write it.

    >>> describe(ec.generate_private_key(ec.SECP384R1()).public_key())
    'P-384'
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        return CURVE_NAMES.get(key.curve.name, key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    return type(key).__name__.removesuffix("PublicKey").strip("_")


def generate(algorithm: Algorithm) -> PrivateKey:
    """A new private key of the kind that makes `algorithm`."""
    if algorithm == "es256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "es384":
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, DEVELOPMENT_RSA_BITS)


def signable(key: PrivateKeyTypes) -> PrivateKey | None:
    """The same key, when it is of a kind that can make one of the algorithms."""
    if isinstance(key, PrivateKey) and algorithm_of(key.public_key()) is not None:
        return key
    return None


def sign(algorithm: Algorithm, key: PrivateKey, data: bytes) -> bytes:
    """Sign with a key in this process; ECDSA in DER, Ed25519 raw, PS256 with a salt of 32 bytes.

    Raises:
        TypeError: the key is of another kind.
    """
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(_hash(algorithm)))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    return key.sign(data, PSS_PADDING, hashes.SHA256())


def verifies(algorithm: Algorithm, key: PublicKeyTypes, signature: bytes, data: bytes) -> bool:
    """Whether a signature is this key's over this data; a key of another kind verifies nothing."""
    if algorithm_of(key) != algorithm:
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(_hash(algorithm)))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, PSS_PADDING, hashes.SHA256())
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def to_be_signed(algorithm: Algorithm, data: bytes) -> bytes:
    """What leaves for a key that is elsewhere: the digest; for Ed25519, which takes none, all."""
    return data if algorithm == "ed25519" else hashlib.new(DIGESTS[algorithm], data).digest()


def der(raw: bytes) -> bytes:
    """An ECDSA signature from r || s to DER.

    >>> der(bytes([0] * 31 + [1] + [0] * 31 + [2])).hex()
    '3006020101020102'
    """
    half = len(raw) // 2
    return encode_dss_signature(
        int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    )


def _hash(algorithm: Algorithm) -> hashes.HashAlgorithm:
    return hashes.SHA384() if algorithm == "es384" else hashes.SHA256()
