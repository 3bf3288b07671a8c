"""Keys that enter this process: in files, and in environment variables."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from safegen.errors import InputError, KeyMaterialError
from safegen.provenance.keys import algorithms, pki
from safegen.provenance.keys.custody.base import Credentials
from safegen.provenance.keys.custody.uri import secret_of
from safegen.provenance.keys.pem import key_pem, load_certificates, load_key, read_secret
from safegen.storage import read

if TYPE_CHECKING:
    from safegen.provenance.keys.algorithms import PrivateKey
    from safegen.provenance.keys.custody.uri import Location
    from safegen.schemas.signature import Algorithm

MAX_ATTEMPTS = 3  # a pair that is being rotated fits again a moment later


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSigner:
    """A private key in this process's memory; never logged, never written."""

    algorithm: Algorithm
    chain: bytes
    anchor: bytes | None
    _key: PrivateKey = field(repr=False)

    @property
    def key_pem(self) -> bytes:
        """The key in PKCS8 form, so that C2PA can sign natively; unencrypted: never write it."""
        return key_pem(self._key)

    def sign(self, data: bytes) -> bytes:
        """Sign; ECDSA in DER, Ed25519 raw, PS256 with a salt of 32 bytes."""
        return algorithms.sign(self.algorithm, self._key, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder as `safegen keys init` makes it: `leaf.key`, `leaf.pem`, `issuing-ca.pem`."""

    folder: Path
    location: Location

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder)

    def credentials(self) -> Credentials:
        """The leaf and its issuer, and the root when it is there."""
        if (
            self.folder / pki.NEXT_LEAF
        ).is_file():  # amid a rotation, the key tells which leaf it is
            with contextlib.suppress(InputError):
                return self._pair()[1]
        return self._credentials(pki.LEAF)

    def signer(self) -> FileSigner:
        """The key with the certificate that fits it."""
        return _paired(*self._pair())

    def _pair(self) -> tuple[PrivateKey, Credentials]:
        """A key and its certificate, also while both are being replaced."""
        for _ in range(MAX_ATTEMPTS):
            key = self._key()
            for found in (self._credentials(pki.LEAF), self._next()):
                if found is not None and found.chain[0].public_key() == key.public_key():
                    return key, found
        raise _unpaired(str(self.folder / pki.LEAF_KEY), str(self.folder / pki.LEAF))

    def _next(self) -> Credentials | None:
        """The certificate that a rotation brings; None when there is none, or not any more."""
        if not (self.folder / pki.NEXT_LEAF).is_file():
            return None
        try:
            return self._credentials(pki.NEXT_LEAF)
        except InputError:
            if (self.folder / pki.NEXT_LEAF).exists():
                raise
            return None  # the rotation came to its end meanwhile

    def _key(self) -> PrivateKey:
        path = self._require(pki.LEAF_KEY)
        return load_key(read_secret(path), self.location.passphrase(), str(path))

    def _credentials(self, leaf: str) -> Credentials:
        certificates = [
            load_certificates(read(path), str(path))
            for path in (self._require(leaf), self._require(pki.ISSUER))
        ]
        root = self.folder / pki.ROOT
        anchor = load_certificates(read(root), str(root)) if root.is_file() else None
        return Credentials(chain=(certificates[0][0], *certificates[1]), anchor=anchor)

    def _require(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise KeyMaterialError(
                f"no {name} in {self.folder}; make a development chain with `safegen keys init "
                f"{self.folder}`, or name another folder with --keys"
            )
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A key file, with its chain in another."""

    file: Path
    location: Location

    @property
    def place(self) -> str:
        """The file."""
        return str(self.file)

    def credentials(self) -> Credentials:
        """The chain that the URI names."""
        return self.location.credentials()

    def signer(self) -> FileSigner:
        """The key of that chain's leaf."""
        found = self.credentials()
        key = load_key(read_secret(self.file), self.location.passphrase(), self.place)
        if found.chain[0].public_key() != key.public_key():
            raise _unpaired(self.place, self.location.options["chain"])
        return _paired(key, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """`PREFIX_KEY` and `PREFIX_CHAIN` hold PEM; `PREFIX_TRUST` may, and `PREFIX_PASSPHRASE`."""

    prefix: str

    @property
    def place(self) -> str:
        """The variable that holds the key."""
        return f"the environment variable {self.prefix}_KEY"

    def credentials(self) -> Credentials:
        """The chain, and the root when it is there."""
        anchor = None
        if os.environ.get(f"{self.prefix}_TRUST"):
            anchor = load_certificates(self._pem("TRUST"), f"{self.prefix}_TRUST")
        chain = load_certificates(self._pem("CHAIN"), f"{self.prefix}_CHAIN")
        return Credentials(chain=chain, anchor=anchor)

    def signer(self) -> FileSigner:
        """The key of the chain's leaf."""
        found = self.credentials()
        passphrase = os.environ.get(f"{self.prefix}_PASSPHRASE")
        try:
            key = load_key(self._pem("KEY"), passphrase, f"{self.prefix}_KEY")
        except KeyMaterialError as error:
            if passphrase is None and b"ENCRYPTED" in self._pem("KEY"):
                raise KeyMaterialError(
                    f"{self.prefix}_KEY is encrypted; put its passphrase into "
                    f"{self.prefix}_PASSPHRASE"
                ) from error
            raise
        if found.chain[0].public_key() != key.public_key():
            raise _unpaired(f"{self.prefix}_KEY", f"{self.prefix}_CHAIN")
        return _paired(key, found)

    def _pem(self, part: str) -> bytes:
        """Some platforms keep a secret on one line, with its line breaks written as backslash n."""
        text = secret_of(f"{self.prefix}_{part}")
        return (text if "\n" in text else text.replace("\\n", "\n")).encode()


def at_file(location: Location) -> Folder | KeyFile:
    """Open `file:`, a folder or a key file.

    Raises:
        KeyMaterialError: it is a key file without a chain, or options do not fit.
    """
    options = ("chain", "trust", "passphrase-env", "passphrase-file")
    location.allow(*options)
    path = Path(_local_path(location.place))
    if "chain" in location.options:
        return KeyFile(file=path, location=location)
    if path.is_file():
        raise KeyMaterialError(
            f"{path} is a file; name the folder that holds the keys, or the file with its "
            f"certificates: file:{path}?chain=chain.pem"
        )
    location.allow(*options[2:])
    return Folder(folder=path, location=location)


def at_variables(location: Location) -> Variables:
    """Open `env:`.

    Raises:
        KeyMaterialError: the prefix is empty, or there are options.
    """
    location.allow()
    if not location.place:
        raise KeyMaterialError("env: needs a prefix, such as env:SIGNING for SIGNING_KEY")
    return Variables(prefix=location.place)


def _local_path(place: str) -> str:
    """The path of a `file:` URI; `file:///keys` and `file:/keys` are the same (RFC 8089)."""
    if not place.startswith("//"):
        return unquote(place)
    host, slash, path = place[2:].partition("/")
    if host not in {"", "localhost"}:
        raise KeyMaterialError(
            f"file://{host}/... is on another machine; write file:{host}/... for a folder here"
        )
    return unquote(slash + path)


def _paired(key: PrivateKey, found: Credentials) -> FileSigner:
    algorithm = algorithms.algorithm_of(key.public_key())
    assert algorithm is not None  # load_key refuses all others
    return FileSigner(algorithm=algorithm, chain=found.chain_pem, anchor=found.anchor_pem, _key=key)


def _unpaired(key: str, chain: str) -> KeyMaterialError:
    return KeyMaterialError(
        f"{key} is not the key of the first certificate in {chain}; pair them, leaf first"
    )
