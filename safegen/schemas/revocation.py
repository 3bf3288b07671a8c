"""What a house takes back: keys, models, policies, outputs; from a moment on, for a reason.

A revocation is an entry of the house's log, under its signed heads. The list of all of them, signed
again, is what others are given; both are read without the log:

    {"format": "safegen.revocation-list/1", "origin": "urn:uuid:6f0d...",
     "time": "2026-11-28T09:30:00+00:00",
     "revocations": [{"what": "key", "id": "sha256:9f3c...", "chain": "-----BEGIN ...",
                      "since": "2026-11-20T00:00:00+00:00", "reason": "keyCompromise"}],
     "signature": {...}}

The signature covers the canonical bytes of the list with `signature` set to null.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safegen.schemas.canonical import Record
from safegen.schemas.choices import Reason
from safegen.schemas.signature import Signature

What = Literal["key", "model", "policy", "output"]


class Revocation(Record):
    """One thing that is not to be trusted any more.

    Attributes:
        what: a signer's key, a model, a policy, or one output.
        id: the SHA-256 of the key's SubjectPublicKeyInfo in DER; the model's name, the digest of
            its package; the policy's digest; or the digest of every byte of the output.
        chain: the certificates of the key in PEM, its own first, without the root; absent for
            anything else.
        since: from when on; ISO 8601, in UTC. Of a stolen key, when it may have been stolen
            (RFC 5280, 5.3.2: the invalidity date).
        reason: a CRLReason of RFC 5280, 5.3.1.
        note: anything else that people should know; absent otherwise.
    """

    what: What
    id: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    chain: Annotated[str | None, Field(exclude_if=lambda given: given is None)] = None
    since: str
    reason: Reason
    note: Annotated[str | None, Field(exclude_if=lambda note: note is None)] = None


class RevocationList(Record):
    """All revocations of one log at one moment, signed by a key that is not among them.

    Attributes:
        format: of the list, with its version.
        origin: the log's own name.
        time: when the list was signed; ISO 8601, in UTC. What was revoked later is not in it.
        revocations: in the order in which they were logged.
        signature: over everything above; null only while it is being signed.
    """

    format: Literal["safegen.revocation-list/1"] = "safegen.revocation-list/1"
    origin: str
    time: str
    revocations: tuple[Revocation, ...]
    signature: Signature | None = None
