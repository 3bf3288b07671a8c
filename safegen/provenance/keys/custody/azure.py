"""Keys in Azure Key Vault and Managed HSM; the only importer of azure.

    azure-kv:https://VAULT.vault.azure.net/keys/NAME/VERSION?chain=chain.pem

Who calls is settled by Azure's own means: environment, workload or managed identity, `az login`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import JsonWebKey, KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from safegen.errors import KeyMaterialError
from safegen.provenance.keys import algorithms
from safegen.provenance.keys.custody.base import failure, remote_signer, require_digest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from safegen.provenance.keys.custody.base import Credentials, RemoteSigner
    from safegen.provenance.keys.custody.uri import Location
    from safegen.schemas.signature import Algorithm

KEY = re.compile(
    r"(?P<vault>https://[^/?#]+)/keys/(?P<name>[0-9A-Za-z-]+)(?:/(?P<version>[0-9a-zA-Z]+))?"
)
NAMES = {
    "es256": SignatureAlgorithm.es256,
    "es384": SignatureAlgorithm.es384,
    "ps256": SignatureAlgorithm.ps256,
}
CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
NEEDED_PERMISSIONS = "it takes an enabled key, and the permissions keys/get and keys/sign"
# The last two: before anything is sent.
SERVICE_ERRORS = (AzureError, ValueError, NotImplementedError)
MAX_RETRIES, TIMEOUT_SECONDS = 3, 10  # attempts; seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureKey:
    """A key by its identifier."""

    location: Location
    vault: str
    name: str
    version: str | None

    @property
    def place(self) -> str:
        """The service and the key."""
        return f"the Azure Key Vault key {self.location.place}"

    def credentials(self) -> Credentials:
        """The files that the URI names."""
        return self.location.credentials()

    def signer(self) -> RemoteSigner:
        """The key, after it was compared with its certificate."""
        logging.getLogger("azure.identity").setLevel(logging.ERROR)  # its warnings repeat errors
        try:
            credential = DefaultAzureCredential()
            vault = KeyClient(
                self.vault, credential, retry_total=MAX_RETRIES, connection_timeout=TIMEOUT_SECONDS
            )
            key = vault.get_key(self.name, self.version)
            public = _public_key(key.key)
            service = CryptographyClient(
                key, credential, retry_total=MAX_RETRIES, connection_timeout=TIMEOUT_SECONDS
            )
        except SERVICE_ERRORS as error:
            raise _failure(self.place, error) from error

        def ask(algorithm: Algorithm, digest: bytes) -> bytes:
            require_digest(self.place, algorithm)
            try:
                signature = service.sign(NAMES[algorithm], digest).signature
            except SERVICE_ERRORS as error:
                raise _failure(self.place, error) from error
            return signature if algorithm == "ps256" else algorithms.der(signature)

        return remote_signer(self.place, self.credentials(), public, ask)


def at_azure(location: Location) -> AzureKey:
    """Open `azure-kv:`.

    Raises:
        KeyMaterialError: it names no key, or an option is unknown.
    """
    location.allow("chain", "trust")
    parts = KEY.fullmatch(location.place)
    if parts is None:
        raise KeyMaterialError(
            f"{location} names no key; write azure-kv:https://VAULT.vault.azure.net/keys/NAME/"
            "VERSION"
        )
    return AzureKey(location=location, **parts.groupdict())


def _failure(place: str, error: Exception) -> KeyMaterialError:
    """The service's own words; the client would repeat them three times."""
    said = getattr(error, "error", None)
    if said is not None and said.message:
        error = AzureError(f"({said.code}) {said.message}")
    return failure(place, error, NEEDED_PERMISSIONS)


def _public_key(key: JsonWebKey) -> PublicKeyTypes:
    """From a JSON Web Key (RFC 7518, section 6), whose numbers are big-endian.

    Raises:
        ValueError: it is neither on a known curve nor RSA.
    """
    curve = CURVES.get(getattr(key, "crv", ""))
    if curve is not None:
        return ec.EllipticCurvePublicNumbers(
            _number(key, "x"), _number(key, "y"), curve
        ).public_key()
    if getattr(key, "n", None):
        return rsa.RSAPublicNumbers(_number(key, "e"), _number(key, "n")).public_key()
    raise ValueError(
        f"a key of the type {getattr(key, 'kty', None)} makes no signature that C2PA takes"
    )


def _number(key: JsonWebKey, name: str) -> int:
    return int.from_bytes(getattr(key, name), "big")
