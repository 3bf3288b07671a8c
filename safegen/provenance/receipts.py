"""Receipts that can be checked alone: a proof of logging, and a detached signature."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from safegen.provenance import signatures
from safegen.provenance.proofs import proves
from safegen.records.canonical import canonical_bytes

if TYPE_CHECKING:
    from safegen.provenance.signer import Signer
    from safegen.records.receipt import Receipt


def sign_receipt(receipt: Receipt, signer: Signer) -> Receipt:
    """The same receipt with its signature."""
    signature = signatures.sign(canonical_bytes(receipt), signer)
    return receipt.model_copy(update={"signature": signature})


def problem_with(receipt: Receipt, anchors: bytes) -> str | None:
    """What is wrong with a receipt, in words; None when it stands.

    Args:
        receipt: as read from its file.
        anchors: PEM certificates to trust.
    """
    if not proves(receipt.entry, receipt.proof):
        return "its proof does not lead from its entry to the root it names"
    if receipt.entry.file_digest != receipt.file_digest:
        return "its log entry is about another file"
    if receipt.signature is None:
        return "it is not signed"
    unsigned = canonical_bytes(receipt.model_copy(update={"signature": None}))
    try:
        when = datetime.fromisoformat(receipt.entry.time).astimezone(UTC)
    except ValueError:
        return "the time of its log entry cannot be read"
    return signatures.problem_with(receipt.signature, unsigned, anchors, when)
