"""Keys in Google Cloud Key Management Service; the only importer of google.cloud.

    gcp-kms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1?chain=chain.pem

Who calls is settled by Google's own means: application default credentials.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud import kms_v1

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.custody.base import failure, remote_signer, require_digest

if TYPE_CHECKING:
    from safegen.provenance.keys.custody.base import Credentials, RemoteSigner
    from safegen.provenance.keys.custody.uri import Location
    from safegen.schemas.signature import Algorithm

VERSION = re.compile(
    r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+/cryptoKeyVersions/[0-9]+"
)
NEEDED_PERMISSIONS = (
    "it takes an enabled ASYMMETRIC_SIGN key version, and the permissions "
    "cloudkms.cryptoKeyVersions.viewPublicKey and useToSign"
)
TIMEOUT_SECONDS = 15.0  # seconds for one call with its retries
SERVICE_ERRORS = (GoogleAPIError, GoogleAuthError, OSError)  # the last one: no network


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpKey:
    """A key version by its resource name."""

    location: Location

    @property
    def place(self) -> str:
        """The service and the key version."""
        return f"the Google Cloud KMS key {self.location.place}"

    def credentials(self) -> Credentials:
        """The files that the URI names; the service keeps no certificates."""
        return self.location.credentials()

    def signer(self) -> RemoteSigner:
        """The key, after it was compared with its certificate."""
        name = self.location.place
        try:
            # REST goes through proxies and survives a fork; the signatures are the same.
            service = kms_v1.KeyManagementServiceClient(transport="rest")
            shown = service.get_public_key(name=name, timeout=TIMEOUT_SECONDS)
            public = load_pem_public_key(shown.pem.encode())
        except SERVICE_ERRORS as error:
            raise failure(self.place, error, NEEDED_PERMISSIONS) from error

        def ask(algorithm: Algorithm, digest: bytes) -> bytes:
            require_digest(self.place, algorithm)
            sent = (
                kms_v1.Digest(sha384=digest)
                if algorithm == "es384"
                else kms_v1.Digest(sha256=digest)
            )
            try:
                answer = service.asymmetric_sign(name=name, digest=sent, timeout=TIMEOUT_SECONDS)
            except SERVICE_ERRORS as error:
                raise failure(self.place, error, NEEDED_PERMISSIONS) from error
            return bytes(answer.signature)

        return remote_signer(self.place, self.credentials(), public, ask)


def at_gcp(location: Location) -> GcpKey:
    """Open `gcp-kms:`.

    Raises:
        KeyMaterialError: it names no key version, or an option is unknown.
    """
    location.allow("chain", "trust")
    if not VERSION.fullmatch(location.place):
        raise KeyMaterialError(
            f"{location} names no key version; write gcp-kms:projects/P/locations/L/keyRings/R/"
            "cryptoKeys/K/cryptoKeyVersions/1"
        )
    return GcpKey(location=location)
