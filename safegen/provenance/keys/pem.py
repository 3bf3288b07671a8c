"""Keys and certificates as PEM: read with care, written encrypted where a passphrase is given."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from safegen import storage
from safegen.errors import KeyMaterialError
from safegen.provenance.keys import algorithms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from safegen.provenance.keys.algorithms import PrivateKey

PASSPHRASE = "SAFEGEN_KEY_PASSPHRASE"  # noqa: S105 - a variable's name
PEM = serialization.Encoding.PEM
UNREADABLE = (  # what the library raises of a stranger's certificate
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def read_secret(path: Path) -> bytes:
    """Read a file that only its owner may read; refuse one that others could have read.

    A group may read what an administrator owns and lent to it, as container platforms mount it.

    Raises:
        KeyMaterialError: the file's mode lets others read it.
        StorageError: the file cannot be read.
    """
    content = storage.read(path)
    if os.name != "posix":  # elsewhere a mode says nothing about who can read
        return content
    state = path.stat()
    lent = state.st_uid == 0 and os.geteuid() != 0
    shared = stat.S_IRWXO | (stat.S_IWGRP if lent else stat.S_IRWXG)
    if state.st_mode & shared:
        raise KeyMaterialError(
            f"{path} can be read by others than its owner (mode {state.st_mode & 0o777:04o}); "
            f"run `chmod 600 {path}`, and think about replacing what it holds"
        )
    return content


def load_key(pem: bytes, passphrase: str | None, place: str) -> PrivateKey:
    """Load a private key, in PKCS8 or in an older form, encrypted or not.

    Args:
        pem: what was read.
        passphrase: for an encrypted key; not needed for a plain one.
        place: where it was read, for messages.

    Raises:
        KeyMaterialError: it is none, its passphrase is missing or wrong, or it is of a kind that
            C2PA does not take.
    """
    encrypted = b"ENCRYPTED" in pem
    if encrypted and passphrase is None:
        raise KeyMaterialError(
            f"{place} is encrypted, and no passphrase was given; put it into {PASSPHRASE}, or name "
            "another variable with ?passphrase-env=NAME"
        )
    password = passphrase.encode() if encrypted and passphrase is not None else None
    try:
        key = algorithms.signable(serialization.load_pem_private_key(pem, password))
    except (ValueError, TypeError) as error:
        reason = (
            "does not open with that passphrase; correct it"
            if encrypted
            else "is not a private key in PEM form; name the file that holds one"
        )
        raise KeyMaterialError(f"{place} {reason}") from error
    except UnsupportedAlgorithm as error:
        raise KeyMaterialError(f"{place} holds a key that cannot be used: {error}") from error
    if key is None:
        raise KeyMaterialError(
            f"{place} holds a key of a kind that safegen does not sign with; make one of "
            f"{algorithms.ACCEPTED_KEYS}"
        )
    return key


def key_pem(key: PrivateKey, passphrase: str | None = None) -> bytes:
    """A private key in PKCS8 form, encrypted when there is a passphrase."""
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        protection = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, protection)


def load_certificates(pem: bytes, place: str) -> tuple[x509.Certificate, ...]:
    """Load certificates in the order in which they stand.

    Raises:
        KeyMaterialError: there is none, or one cannot be read.
    """
    try:
        return parsed_pem(pem)
    except ValueError as error:
        raise KeyMaterialError(
            f"{place} holds no certificate in PEM form; name the file that holds the chain"
        ) from error


def parsed_pem(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Certificates of strangers, all of them readable: names, key, dates.

    A certificate is taken apart piece by piece, when it is asked: one that loads may still raise
    wherever its names are looked at, and not a ValueError either. Its extensions are examined
    elsewhere, with words of their own (`profile`).

    Raises:
        ValueError: there is none, or something in one cannot be read.
    """
    return _readable(lambda: x509.load_pem_x509_certificates(pem))


def parsed_der(certificates: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """The same of certificates in DER."""
    return _readable(lambda: [x509.load_der_x509_certificate(each) for each in certificates])


def _readable(load: Callable[[], Iterable[x509.Certificate]]) -> tuple[x509.Certificate, ...]:
    try:
        whole = tuple(load())
        for each in whole:
            _ = each.subject, each.issuer, each.public_key(), each.signature_algorithm_oid
            _ = each.not_valid_before_utc, each.not_valid_after_utc
            if each.serial_number <= 0:  # of which the library's next releases will raise
                raise ValueError("a serial number is not positive")
    except UNREADABLE as error:
        raise ValueError(str(error)) from error
    return whole


def certificates_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Certificates as PEM, without anything else that a file may have held."""
    return b"".join(certificate.public_bytes(PEM) for certificate in certificates)
