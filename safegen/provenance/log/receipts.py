"""Receipts that can be checked alone: a proof of logging, its signed head, a detached signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from safegen.provenance.keys import detached
from safegen.provenance.log.checkpoints import checkpoint_error, consistency_error, moment
from safegen.provenance.log.proofs import leads_to, proves
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.receipt import FirstReceipt, Receipt

if TYPE_CHECKING:
    from safegen.provenance.keys.signer import Signer
    from safegen.schemas.log import ConsistencyProof, LogCheckpoint, LoggedFile
    from safegen.schemas.receipt import AnyReceipt

_Any = TypeVar("_Any", Receipt, FirstReceipt)


def sign_receipt(receipt: _Any, signer: Signer) -> _Any:
    """The same receipt with its signature."""
    signature = detached.sign(canonical_bytes(receipt), signer)
    return receipt.model_copy(update={"signature": signature})


def receipt_error(
    receipt: AnyReceipt, anchors: bytes, *, unsigned: bytes | None = None
) -> str | None:
    """What is wrong with a receipt, in words; None when it stands.

    Args:
        receipt: as read from its file; of the first version, its own signature alone speaks for
            the head of the log that its proof leads to.
        anchors: PEM certificates to trust.
        unsigned: its canonical bytes with `signature` null, where they are known already.
    """
    if not proves(receipt.entry, receipt.proof):
        return "its proof does not lead from its entry to the root it names"
    if receipt.entry.file_digest != receipt.file_digest:
        return "its log entry is about another file"
    if isinstance(receipt, Receipt):
        broken_head = _head_error(receipt, anchors)
        if broken_head is not None:
            return broken_head
    if receipt.signature is None:
        return "it is not signed"
    when = moment(receipt.entry.time)
    if when is None:
        return "the time of its log entry cannot be read"
    if unsigned is None:
        unsigned = canonical_bytes(receipt.model_copy(update={"signature": None}))
    return detached.signature_error(receipt.signature, unsigned, anchors, when)


def logged_error(logged: LoggedFile, anchors: bytes) -> str | None:
    """What is wrong with a proof of logging that came without a receipt; None when it stands."""
    if not proves(logged.entry, logged.proof):
        return "its proof does not lead from its entry to the root it names"
    return _head_error(logged, anchors)


def log_error(
    shown: AnyReceipt | LoggedFile, checkpoint: LogCheckpoint, proof: ConsistencyProof | None
) -> str | None:
    """Why a receipt and a head that somebody else fetched are not of one log; None when they are.

    Args:
        shown: the receipt, or a proof of logging, found to stand before.
        checkpoint: of the same log, fetched independently; its signature is checked elsewhere.
        proof: that the longer of the two begins with the shorter; not needed at one size.
    """
    head = checkpoint if isinstance(shown, FirstReceipt) else shown.checkpoint
    if isinstance(shown, FirstReceipt):  # it does not name its log; its root speaks for it
        own = {"tree_size": shown.proof.tree_size, "root": shown.proof.root}
        head = checkpoint.model_copy(update=own)
    return consistency_error(head, checkpoint, proof)


def _head_error(shown: Receipt | LoggedFile, anchors: bytes) -> str | None:
    if not leads_to(shown.proof, shown.checkpoint):
        return "its proof leads to another head than that of its checkpoint"
    problem = checkpoint_error(shown.checkpoint, anchors)
    return None if problem is None else f"its checkpoint does not stand: {problem}"
