"""A detached signature over a record's canonical bytes, as in receipts and log checkpoints.

    {"algorithm": "es256", "chain": "-----BEGIN CERTIFICATE-----...", "value": "MEUCIQ..."}

It covers the record with its own `signature` field set to null. The algorithm must be the one that
the key of the chain's first certificate makes.
"""

from __future__ import annotations

from safegen.schemas import choices
from safegen.schemas.canonical import Record

Algorithm = choices.Algorithm


class Signature(Record):
    """A detached signature with the certificates that back it.

    Attributes:
        algorithm: C2PA's name of the signature algorithm.
        chain: PEM certificates, leaf first, without the root.
        value: base64; ECDSA (es256, es384) in DER, as key services give it; Ed25519's 64 bytes; for
            ps256, RSASSA-PSS over SHA-256 with a salt of 32 bytes.
    """

    algorithm: Algorithm
    chain: str
    value: str
