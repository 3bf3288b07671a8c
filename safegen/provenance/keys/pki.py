"""A development certificate chain: root, issuing CA, leaf.

The leaf follows C2PA's certificate profile: critical key usage digitalSignature and
nonRepudiation, extended key usage C2PA claim signing and document signing, key identifiers, a
certificate policy. Everything else that a verifier may ask of a real authority is missing: use
this chain to develop and to test, and name a real one when strangers must trust the result.

A rotation replaces two files, and no file system replaces two at once. So the new certificate
comes first, under a name of its own; then the key is replaced; then the certificate takes its
name. At every moment the key that is there has its certificate beside it, under one name or the
other, and readers look under both.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID, ObjectIdentifier

from safegen import storage
from safegen.errors import KeyMaterialError, StorageError
from safegen.provenance.keys import algorithms
from safegen.provenance.keys.pem import PEM, key_pem, load_certificates, load_key, read_secret
from safegen.provenance.keys.profile import CLAIM_SIGNING, DOCUMENT_SIGNING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from safegen.provenance.keys.algorithms import PrivateKey
    from safegen.schemas.signature import Algorithm

C2PA_POLICY = ObjectIdentifier("1.3.6.1.4.1.62558.1.1")

ROOT, ISSUER, LEAF = "root.pem", "issuing-ca.pem", "leaf.pem"
ROOT_KEY, ISSUER_KEY, LEAF_KEY = "root.key", "issuing-ca.key", "leaf.key"
NEXT_LEAF = "leaf.next.pem"  # a certificate whose key has not arrived yet, or whose name has not
VALIDITY_YEARS = {ROOT: 10, ISSUER: 5, LEAF: 1}
ROLES = {ROOT: "root", ISSUER: "issuing CA", LEAF: "signer"}
MAX_NAME_LETTERS = 50  # of 64 in a certificate, with room for the role
CLOCK_SKEW = timedelta(hours=1)  # a verifier's clock may run behind

_Issuer = tuple[x509.Certificate, "PrivateKey"]


def init(
    folder: Path,
    *,
    organisation: str = "safegen development",
    algorithm: Algorithm = "es256",
    passphrase: str | None = None,
) -> None:
    """Make a chain in `folder`: certificates in `*.pem`, keys in `*.key` with mode 0600.

    Args:
        folder: made when it is missing; nothing in it may be overwritten.
        organisation: whose name the certificates carry.
        algorithm: what the leaf signs with; root and issuing CA are on P-384.
        passphrase: encrypts all three keys.

    Raises:
        KeyMaterialError: a chain is there already, or the name or passphrase cannot be used.
        StorageError: the folder cannot be written; nothing is left in it.
    """
    present = [name for name in (*VALIDITY_YEARS, LEAF_KEY) if (folder / name).exists()]
    if present:
        raise KeyMaterialError(
            f"{folder} already holds {present[0]}; a chain is never overwritten: name a new folder"
        )
    if not 1 <= len(organisation) <= MAX_NAME_LETTERS or not organisation.isprintable():
        raise KeyMaterialError(
            f"an organisation's name is 1 to {MAX_NAME_LETTERS} printable letters; shorten it"
        )
    if passphrase == "":
        raise KeyMaterialError("an empty passphrase protects nothing; give a longer one, or none")
    storage.require_writable(folder)
    root = _issue(ROOT, organisation, curve=ec.SECP384R1(), path_length=1)
    issuer = _issue(ISSUER, organisation, curve=ec.SECP384R1(), path_length=0, issuer=root)
    leaf_key = algorithms.generate(algorithm)
    leaf = (_certify(LEAF, organisation, leaf_key, path_length=None, issuer=issuer), leaf_key)
    files: dict[str, bytes] = {}
    for (certificate, key), name, key_name in (
        (root, ROOT, ROOT_KEY),
        (issuer, ISSUER, ISSUER_KEY),
        (leaf, LEAF, LEAF_KEY),
    ):
        files |= {key_name: key_pem(key, passphrase), name: certificate.public_bytes(PEM)}
    _write_all(folder, files)


def rotate(folder: Path, *, passphrase: str | None = None) -> Path:
    """Give the signer of a chain a new key and a new certificate from the same issuing CA.

    Outputs that the old key signed stay as good as they were; the old pair is kept under the
    day's name. A crash leaves one working pair, the old or the new.

    Args:
        folder: as `init` made it, with `issuing-ca.key`.
        passphrase: of the keys, where they are encrypted; the new key is encrypted likewise.

    Returns:
        The old certificate's new place.

    Raises:
        KeyMaterialError: a file is missing or does not open, or the issuing CA has expired.
        StorageError: the folder cannot be written.
    """
    for name in (ISSUER_KEY, ISSUER, LEAF_KEY, LEAF):
        if not (folder / name).is_file():
            raise KeyMaterialError(
                f"no {name} in {folder}; only who holds the issuing CA's key can issue a new leaf"
            )
    with _alone(folder):
        issuer_key = _key(folder / ISSUER_KEY, passphrase)
        issuer = _certificate(folder / ISSUER), issuer_key
        if issuer_key.public_key() != issuer[0].public_key():
            raise KeyMaterialError(f"{folder / ISSUER_KEY} is not the key of {ISSUER}; pair them")
        old_pem = read_secret(folder / LEAF_KEY)
        old_key = load_key(old_pem, passphrase, str(folder / LEAF_KEY))
        _finish(folder, old_key)
        old = _certificate(folder / LEAF)
        key = _like(old_key)
        new = _certify(LEAF, old.subject, key, path_length=None, issuer=issuer, follows=old)
        kept = _free_name(folder, datetime.now(UTC))
        encrypt = passphrase if b"ENCRYPTED" in old_pem else None
        storage.write(kept.with_suffix(".key"), old_pem, mode=0o600)
        storage.write(kept, old.public_bytes(PEM))
        storage.write(folder / NEXT_LEAF, new.public_bytes(PEM))
        storage.write(folder / LEAF_KEY, key_pem(key, encrypt), mode=0o600)
        storage.write(folder / LEAF, new.public_bytes(PEM))
        (folder / NEXT_LEAF).unlink()
        return kept


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One rotation at a time; the lock is on the folder, and ends with the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise KeyMaterialError(f"{folder} is being rotated already; wait for it") from error
    finally:
        os.close(handle)


def _finish(folder: Path, key: PrivateKey) -> None:
    """Bring an interrupted rotation to its end, or forget it if its key never arrived."""
    waiting = folder / NEXT_LEAF
    if not waiting.is_file():
        return
    if _certificate(waiting).public_key() == key.public_key():
        storage.write(folder / LEAF, storage.read(waiting))
    waiting.unlink()


def _free_name(folder: Path, now: datetime) -> Path:
    """Where the old certificate goes; twice a day is unusual, and still loses nothing."""
    stem, count = f"leaf-{now:%Y-%m-%d}", 1
    path = folder / f"{stem}.pem"
    while path.exists() or path.with_suffix(".key").exists():
        count += 1
        path = folder / f"{stem}-{count}.pem"
    return path


def _write_all(folder: Path, files: dict[str, bytes]) -> None:
    """All of them, or none."""
    try:
        for name, content in files.items():
            mode = 0o600 if name.endswith(".key") else 0o644
            storage.write(folder / name, content, mode=mode)
    except StorageError:
        for name in files:
            with contextlib.suppress(OSError):
                (folder / name).unlink()
        raise


def _key(path: Path, passphrase: str | None) -> PrivateKey:
    return load_key(read_secret(path), passphrase, str(path))


def _certificate(path: Path) -> x509.Certificate:
    return load_certificates(storage.read(path), str(path))[0]


def _like(key: PrivateKey) -> PrivateKey:
    algorithm = algorithms.algorithm_of(key.public_key())
    assert algorithm is not None  # load_key refuses all others
    return algorithms.generate(algorithm)


def _issue(
    name: str,
    organisation: str,
    *,
    curve: ec.EllipticCurve,
    path_length: int | None,
    issuer: _Issuer | None = None,
) -> _Issuer:
    """A new key on a curve, with its certificate."""
    key = ec.generate_private_key(curve)
    return _certify(name, organisation, key, path_length=path_length, issuer=issuer), key


def _certify(
    name: str,
    subject: str | x509.Name,
    key: PrivateKey,
    *,
    path_length: int | None,
    issuer: _Issuer | None = None,
    follows: x509.Certificate | None = None,
) -> x509.Certificate:
    """Issue one certificate; a path length makes it an authority, none makes it a leaf.

    Args:
        name: the file whose role it plays.
        subject: the organisation, or a whole name that is used again.
        key: whose public half is certified.
        path_length: how many authorities may stand below it.
        issuer: who signs; None for a root, which signs itself.
        follows: the certificate that it succeeds, and is younger than, however soon.
    """
    if isinstance(subject, str):
        subject = _subject(subject, ROLES[name])
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    now = datetime.now(UTC)
    start = now - CLOCK_SKEW
    if follows is not None:
        start = max(start, follows.not_valid_before_utc + timedelta(seconds=1))
    end = now + timedelta(days=365 * VALIDITY_YEARS[name])
    if issuer is not None:  # nothing outlives whoever vouches for it
        end = min(end, issuer[0].not_valid_after_utc)
    if end <= now:
        raise KeyMaterialError(
            f"the issuing CA expired on {end.date()} and can issue nothing; make a new chain with "
            "`safegen keys init`"
        )
    leaf = path_length is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
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
    hashed = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA384()
    return builder.sign(issuer_key, hashed)


def _subject(organisation: str, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation} {role}"),
        ]
    )


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
