"""What every custody has in common: a place with a name, certificates, and a signer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from safegen.errors import KeyMaterialError
from safegen.provenance.keys import algorithms
from safegen.provenance.keys.pem import certificates_pem

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from safegen.provenance.keys.signer import Signer
    from safegen.schemas.signature import Algorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Certificates that belong to a key.

    Attributes:
        chain: as its owner keeps it; leaf first, if it is in order.
        anchor: the root, when its owner named one.
    """

    chain: tuple[x509.Certificate, ...]
    anchor: tuple[x509.Certificate, ...] | None

    @property
    def chain_pem(self) -> bytes:
        """The chain in PEM without a root at its end: a verifier has its own."""
        last = self.chain[-1]
        root = len(self.chain) > 1 and last.issuer == last.subject
        return certificates_pem(self.chain[:-1] if root else self.chain)

    @property
    def anchor_pem(self) -> bytes | None:
        """The root in PEM."""
        return None if self.anchor is None else certificates_pem(self.anchor)


class Custody(Protocol):
    """A key that can be named, and perhaps used.

    Attributes:
        place: where the key is, in words that fit behind "the key in".
    """

    @property
    def place(self) -> str: ...  # noqa: D102 - above

    def credentials(self) -> Credentials:
        """The certificates, read without the key."""
        ...

    def signer(self) -> Signer:
        """The key, ready to sign under these certificates."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSigner:
    """A key that never enters this process; each of its answers is checked before it leaves."""

    algorithm: Algorithm
    chain: bytes
    anchor: bytes | None
    place: str
    _leaf_key: PublicKeyTypes = field(repr=False)
    _ask: Callable[[bytes], bytes] = field(repr=False)

    @property
    def key_pem(self) -> None:
        """A key that is elsewhere shows nothing of itself."""
        return

    def sign(self, data: bytes) -> bytes:
        """Have the digest of `data` signed (for Ed25519, which takes none, `data` itself).

        Raises:
            KeyMaterialError: the service gave no signature, or one that is not its leaf's.
        """
        signature = self._ask(algorithms.to_be_signed(self.algorithm, data))
        if not algorithms.verifies(self.algorithm, self._leaf_key, signature, data):
            raise KeyMaterialError(
                f"{self.place} gave a signature that is not its certificate's; pair the key with "
                "the certificate that was issued for it"
            )
        return signature


def remote_signer(
    place: str,
    credentials: Credentials,
    key: PublicKeyTypes | None,
    ask: Callable[[Algorithm, bytes], bytes],
) -> RemoteSigner:
    """Bind a remote key to its certificates.

    Args:
        place: where the key is.
        credentials: its certificates.
        key: the public key that the place shows; None where it shows none.
        ask: signs a digest; ECDSA in DER.

    Raises:
        KeyMaterialError: the certificate was issued for another key.
    """
    leaf = credentials.chain[0].public_key()
    algorithm = algorithms.algorithm_of(leaf)
    if key is not None and key != leaf:
        raise KeyMaterialError(
            f"{place} is not the key of its certificate: that is over {algorithms.describe(leaf)} "
            f"and the key is another {algorithms.describe(key)}; pair them"
        )
    if algorithm is None:
        raise KeyMaterialError(
            f"{place} is a key of the kind {algorithms.describe(leaf)}, and safegen signs with "
            f"{algorithms.ACCEPTED_KEYS}"
        )
    return RemoteSigner(
        algorithm=algorithm,
        chain=credentials.chain_pem,
        anchor=credentials.anchor_pem,
        place=place,
        _leaf_key=leaf,
        _ask=lambda digest: ask(algorithm, digest),
    )


def require_digest(place: str, algorithm: Algorithm) -> None:
    """Refuse Ed25519 where only a digest may leave.

    Raises:
        KeyMaterialError: the algorithm signs whole messages.
    """
    if algorithm == "ed25519":
        raise KeyMaterialError(
            f"{place} is an Ed25519 key, which would have to be sent the whole claim; use a key "
            "on P-256 or P-384, or RSA"
        )


def failure(place: str, error: Exception, needed: str) -> KeyMaterialError:
    """A vendor's own message, whole, in one sentence with what it takes.

    Args:
        place: where the key is.
        error: what the vendor's library raised.
        needed: what a caller must have, such as a permission.
    """
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return KeyMaterialError(f"{place} cannot be used: {said}; {needed}")
