"""Keys in a hardware security module, by RFC 7512 URIs; the only importer of pkcs11.

    pkcs11:token=release;object=signer?module-path=/usr/lib/libx.so&pin-source=file:/run/pin

The digest goes in, the signature comes out. A process has one session with a token, whatever
number of signers and threads use it: closing a second one would log the first one out.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes

import pkcs11
from cryptography import x509
from pkcs11 import MGF, Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error, UserAlreadyLoggedIn
from pkcs11.types import SignMixin

from safegen.errors import KeyMaterialError
from safegen.provenance.keys import algorithms
from safegen.provenance.keys.chain import issued
from safegen.provenance.keys.custody.base import Credentials, failure, remote_signer
from safegen.provenance.keys.custody.uri import Location, locate, secret_in, secret_of
from safegen.provenance.keys.pem import PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from pkcs11 import Session, Token
    from pkcs11._pkcs11 import lib as Library  # noqa: N812 - a class

    from safegen.provenance.keys.custody.base import RemoteSigner
    from safegen.schemas.signature import Algorithm

MODULE = "PKCS11_MODULE"
PATH_ATTRIBUTES = ("token", "serial", "manufacturer", "model", "object", "id", "type")
OPTIONS = ("module-path", "pin-source", "chain", "trust")
NEEDED = "check the token, its key and its PIN"
REASONS = {
    "PinIncorrect": "the PIN is wrong; correct it, most tokens allow few attempts",
    "PinLocked": "its PIN is locked after wrong attempts; unlock it with its own tool",
    "PinLenRange": "the PIN is too short or too long; correct it",
    "UserPinNotInitialized": "its user PIN was never set; set it with the token's own tool",
    "UserNotLoggedIn": "it wants a PIN; name one with pin-source=file:... or pin-source=env:NAME",
    "MechanismInvalid": "the token does not know this signature algorithm",
    "TokenNotPresent": "the token is gone; put it back",
    "DeviceRemoved": "the token is gone; put it back, and open the signer again",
    "SessionHandleInvalid": "the session with the token has ended; open the signer again",
}
ENDED_SESSION_ERRORS = {"DeviceRemoved", "SessionHandleInvalid", "SessionClosed", "UserNotLoggedIn"}

KINDS = {
    "es256": KeyType.EC,
    "es384": KeyType.EC,
    "ed25519": KeyType.EC_EDWARDS,
    "ps256": KeyType.RSA,
}

_sessions: dict[tuple[str, bytes, int, bool], Session] = {}  # module, serial, process, logged in
_initialised: dict[str, int] = {}  # by which process
_turn = threading.RLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A private key on a token."""

    location: Location
    attributes: Mapping[str, bytes]
    module: str

    @property
    def place(self) -> str:
        """The token and the key's label or id."""
        words = [f"{name}={unquote(value)}" for name, value in self._written() if name != "type"]
        return f"pkcs11:{';'.join(words)}"

    def credentials(self) -> Credentials:
        """From the files that the URI names, else the certificates on the token."""
        if "chain" in self.location.options:
            return self.location.credentials()
        with self._in_turn():
            certificates = self._certificates(self._session())
        return Credentials(chain=certificates, anchor=self.location.anchor())

    def signer(self) -> RemoteSigner:
        """The key; what it signs is checked against the leaf, so its public half is not needed."""
        credentials, process = self.credentials(), os.getpid()
        leaf = credentials.chain[0].public_key()
        with self._in_turn():
            key = self._find_key(self._session())
            self._require_kind(key, leaf)
            pin = self._pin() if _asks_each_time(key) else None

        def ask(algorithm: Algorithm, digest: bytes) -> bytes:
            if os.getpid() != process:
                raise KeyMaterialError(
                    f"{self.place} was opened by another process; open the signer again in this one"
                )
            with self._in_turn():
                return _signed(key, algorithm, digest, pin)

        return remote_signer(self.place, credentials, None, ask)

    def _written(self) -> list[tuple[str, str]]:
        pairs = (part.partition("=") for part in filter(None, self.location.place.split(";")))
        return [(name, value) for name, _, value in pairs]

    def _text(self, name: str) -> str | None:
        value = self.attributes.get(name)
        return None if value is None else value.decode(errors="replace")

    def _pin(self) -> str | None:
        source = self.location.options.get("pin-source")
        if source is None:
            return os.environ.get(PASSPHRASE)
        if source.startswith("env:"):
            return secret_of(source.removeprefix("env:"))
        if source.startswith("|"):
            raise KeyMaterialError("pin-source names a program; name a file, or env:NAME")
        return secret_in(Path(source.removeprefix("file:")))

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        """One caller at a time; what the token complains of comes out in words."""
        try:
            with _turn:
                yield
        except PKCS11Error as error:
            name = type(error).__name__
            if name in ENDED_SESSION_ERRORS:
                _sessions.clear()  # the next signer logs in again
            if name in REASONS:
                raise KeyMaterialError(f"{self.place} cannot be used: {REASONS[name]}") from error
            raise failure(self.place, error, NEEDED) from error

    def _session(self) -> Session:
        library, process = pkcs11.lib(self.module), os.getpid()
        if _initialised.setdefault(self.module, process) != process:
            library.reinitialize()  # after a fork, the copy of its state is not its own
            _initialised[self.module] = process
        token, pin = self._token(library), self._pin()
        known = (self.module, token.serial, process, pin is not None)
        if known not in _sessions:
            try:
                _sessions[known] = token.open(user_pin=pin)
            except UserAlreadyLoggedIn:  # by other code in this process: nothing more is needed
                _sessions[known] = token.open()
        return _sessions[known]

    def _token(self, library: Library) -> Token:
        present = [slot.get_token() for slot in library.get_slots(token_present=True)]
        fitting = [token for token in present if self._is_meant(token)]
        if len(fitting) != 1:
            labels = ", ".join(sorted(token.label for token in present if token.label)) or "none"
            raise KeyMaterialError(
                f"{len(fitting)} tokens fit {self.place}; name one with token=LABEL or "
                f"serial=NUMBER (there are: {labels})"
            )
        return fitting[0]

    def _is_meant(self, token: Token) -> bool:
        shown = {
            "token": token.label,
            "serial": token.serial.decode(errors="replace").strip(),
            "manufacturer": token.manufacturer_id,
            "model": token.model,
        }
        return all(self._text(name) in {None, value} for name, value in shown.items())

    def _template(self, kind: ObjectClass) -> dict[Attribute, object]:
        template: dict[Attribute, object] = {Attribute.CLASS: kind}
        if "object" in self.attributes:
            template[Attribute.LABEL] = self._text("object")
        if "id" in self.attributes:
            template[Attribute.ID] = self.attributes["id"]
        return template

    def _find_key(self, session: Session) -> SignMixin:
        found = list(session.get_objects(self._template(ObjectClass.PRIVATE_KEY)))
        if len(found) != 1:
            hint = "" if self._pin() else " (no PIN was given, and private keys hide without one)"
            raise KeyMaterialError(
                f"{len(found)} private keys fit {self.place}{hint}; name one with object=LABEL or "
                "id=%01"
            )
        if not isinstance(found[0], SignMixin):
            raise KeyMaterialError(
                f"{self.place} may not sign (CKA_SIGN is false); make one that may"
            )
        return found[0]

    def _require_kind(self, key: SignMixin, leaf: PublicKeyTypes) -> None:
        """Some tokens crash when a key is used with another kind's mechanism."""
        kind = KINDS.get(algorithms.algorithm_of(leaf) or "")
        if key.key_type != kind:
            raise KeyMaterialError(
                f"{self.place} is not the key of its certificate: that is over "
                f"{algorithms.describe(leaf)}, and the key is of another kind; pair the two"
            )

    def _certificates(self, session: Session) -> tuple[x509.Certificate, ...]:
        """The key's certificate has its label or id; issuers are found among all others."""
        kind = ObjectClass.CERTIFICATE
        leaves = [_parsed(item) for item in session.get_objects(self._template(kind))]
        if len(leaves) != 1:
            raise KeyMaterialError(
                f"{len(leaves)} certificates fit {self.place}; put the key's certificate on the "
                "token under its label or id, or name the chain with ?chain=chain.pem"
            )
        rest = [_parsed(item) for item in session.get_objects({Attribute.CLASS: kind})]
        chain = [leaves[0]]
        while issuer := next(
            (one for one in rest if one not in chain and issued(chain[-1], one)), None
        ):
            chain.append(issuer)
        return tuple(chain)


def at_token(uri: str) -> TokenKey:
    """Open `pkcs11:`.

    Raises:
        KeyMaterialError: an attribute is unknown, no module is named, or a PIN stands in the URI.
    """
    location = locate(uri)
    location.allow(*OPTIONS)
    attributes: dict[str, bytes] = {}
    for part in filter(None, location.place.split(";")):
        name, _, value = part.partition("=")
        if name not in PATH_ATTRIBUTES:
            raise KeyMaterialError(
                f"pkcs11: URIs here have no attribute {name}; they have "
                f"{', '.join(PATH_ATTRIBUTES)}"
            )
        attributes[name] = unquote_to_bytes(value)
    if not {"object", "id"} & attributes.keys():
        raise KeyMaterialError(f"{location} names no key; name one with object=LABEL or id=%01")
    if attributes.get("type", b"private") != b"private":
        raise KeyMaterialError(f"{location} names no private key; leave type out")
    module = location.options.get("module-path") or os.environ.get(MODULE)
    if not module:
        raise KeyMaterialError(
            f"{location} names no module; add ?module-path=/usr/lib/..., or set {MODULE}"
        )
    if not Path(module).is_file():
        raise KeyMaterialError(f"there is no PKCS#11 module at {module}; correct module-path")
    return TokenKey(location=location, attributes=attributes, module=module)


def _parsed(certificate: pkcs11.Object) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate[Attribute.VALUE])


def _asks_each_time(key: SignMixin) -> bool:
    """Whether a token wants its PIN before every signature, as some smart cards do."""
    try:
        return bool(key[Attribute.ALWAYS_AUTHENTICATE])
    except PKCS11Error:  # many tokens do not have the attribute
        return False


def _signed(key: SignMixin, algorithm: Algorithm, digest: bytes, pin: str | None) -> bytes:
    """One signature; the mechanisms that take a digest are those that every token has."""
    if algorithm == "ed25519":
        return key.sign(digest, mechanism=Mechanism.EDDSA, pin=pin)
    if algorithm == "ps256":
        parameters = (Mechanism.SHA256, MGF.SHA256, algorithms.SALT_BYTES)
        return key.sign(
            digest, mechanism=Mechanism.RSA_PKCS_PSS, mechanism_param=parameters, pin=pin
        )
    return algorithms.der(key.sign(digest, mechanism=Mechanism.ECDSA, pin=pin))
