"""A detached signature over a record's canonical bytes, as in receipts and log checkpoints.

    {"algorithm": "es256", "chain": "-----BEGIN CERTIFICATE-----...", "value": "MEUCIQ..."}

It covers the record with its own `signature` field set to null.
"""

from __future__ import annotations

from typing import Literal

from safegen.records.canonical import Record

Algorithm = Literal["es256", "es384", "ed25519", "ps256"]


class Signature(Record):
    """A detached signature with the certificates that back it.

    Attributes:
        algorithm: C2PA's name of the signature algorithm.
        chain: PEM certificates, leaf first, without the root.
        value: base64; DER for ECDSA, as key services give it.
    """

    algorithm: Algorithm
    chain: str
    value: str
