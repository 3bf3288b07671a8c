"""Who signs, whatever keeps the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from safegen.schemas.signature import Algorithm


class Signer(Protocol):
    """Signs bytes, and shows the certificates that say who it is.

    Attributes:
        algorithm: C2PA's name of the signature algorithm.
        chain: PEM certificates, leaf first, without the root.
        anchor: the root in PEM, so that a signer can check its own work; None where unknown.
        key_pem: the private key in unencrypted PKCS8 where it is in this process, so that C2PA can
            sign natively; None where it is elsewhere. Never print, log or write it.
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
        """Sign; ECDSA in DER, Ed25519 raw, PS256 with a salt of 32 bytes.

        Raises:
            KeyMaterialError: the key's custody did not sign; with its own reason.
        """
        ...
