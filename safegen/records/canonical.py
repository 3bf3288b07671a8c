"""One byte form for every record, and one digest of it (RFC 8785, JSON Canonicalization Scheme)."""

from __future__ import annotations

import hashlib

import rfc8785
from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen value: unknown fields, NaN and infinity are refused, so that it can be signed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def canonical_bytes(record: Record) -> bytes:
    """The bytes that are hashed and signed.

    Two equal records give the same bytes, on any machine and in any language with RFC 8785:

    >>> class Point(Record):
    ...     y: float
    ...     x: float
    >>> canonical_bytes(Point(y=2.0, x=0.5))
    b'{"x":0.5,"y":2}'
    """
    return rfc8785.dumps(record.model_dump(mode="json"))


def sha256(data: bytes) -> str:
    """A digest with its algorithm in front.

    >>> sha256(b"")
    'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest(record: Record) -> str:
    """The digest of a record's canonical bytes."""
    return sha256(canonical_bytes(record))
