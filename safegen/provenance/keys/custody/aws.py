"""Keys in AWS Key Management Service; the only importer of boto3.

    aws-kms:alias/release?chain=chain.pem&region=eu-central-1

Who calls, and from where, is settled by AWS's own means: environment, profile, role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.serialization import load_der_public_key

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.custody.base import failure, remote_signer, require_digest

if TYPE_CHECKING:
    from safegen.provenance.keys.custody.base import Credentials, RemoteSigner
    from safegen.provenance.keys.custody.uri import Location
    from safegen.schemas.signature import Algorithm

NAMES = {"es256": "ECDSA_SHA_256", "es384": "ECDSA_SHA_384", "ps256": "RSASSA_PSS_SHA_256"}
NEEDED_PERMISSIONS = (
    "it takes an enabled SIGN_VERIFY key, and the permissions kms:GetPublicKey and kms:Sign"
)
CLIENT_LIMITS = Config(
    connect_timeout=5,  # seconds
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKey:
    """A key by its id, ARN or alias."""

    location: Location

    @property
    def place(self) -> str:
        """The service and the key."""
        return f"the AWS KMS key {self.location.place}"

    def credentials(self) -> Credentials:
        """The files that the URI names; the service keeps no certificates."""
        return self.location.credentials()

    def signer(self) -> RemoteSigner:
        """The key, after it was compared with its certificate."""
        key = self.location.place
        try:
            service = self._service()
            public = load_der_public_key(service.get_public_key(KeyId=key)["PublicKey"])
        except (BotoCoreError, ClientError) as error:
            raise failure(self.place, error, NEEDED_PERMISSIONS) from error

        def ask(algorithm: Algorithm, digest: bytes) -> bytes:
            require_digest(self.place, algorithm)
            try:
                answer = service.sign(
                    KeyId=key,
                    Message=digest,
                    MessageType="DIGEST",
                    SigningAlgorithm=NAMES[algorithm],
                )
            except (BotoCoreError, ClientError) as error:
                raise failure(self.place, error, NEEDED_PERMISSIONS) from error
            return bytes(answer["Signature"])

        return remote_signer(self.place, self.credentials(), public, ask)

    def _service(self) -> Any:  # noqa: ANN401 - boto3 makes its classes when it runs
        region = self.location.options.get("region") or _region_in(self.location.place)
        return boto3.session.Session().client("kms", region_name=region, config=CLIENT_LIMITS)


def at_aws(location: Location) -> AwsKey:
    """Open `aws-kms:`.

    Raises:
        KeyMaterialError: no key is named, or an option is unknown.
    """
    location.allow("chain", "trust", "region")
    if not location.place:
        raise KeyMaterialError("aws-kms: names no key; name its id, ARN or alias/NAME")
    return AwsKey(location=location)


def _region_in(key: str) -> str | None:
    """The region in an ARN; AWS's own settings decide for everything else.

    >>> _region_in("arn:aws:kms:eu-central-1:111122223333:key/1234")
    'eu-central-1'
    """
    parts = key.split(":")
    return parts[3] if len(parts) > 3 and parts[0] == "arn" else None
