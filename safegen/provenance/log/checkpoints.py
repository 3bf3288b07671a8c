"""Signed heads of a log: made by whoever keeps it, checked with nothing but trusted roots."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from safegen import storage
from safegen.errors import DataError
from safegen.provenance.keys import detached
from safegen.provenance.keys.pem import parsed_pem
from safegen.provenance.log.proofs import continues
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.log import ConsistencyProof, LogCheckpoint, LoggedFile

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.provenance.keys.signer import Signer

Kind = TypeVar("Kind", LogCheckpoint, ConsistencyProof, LoggedFile)


def sign_checkpoint(origin: str, tree_size: int, root: bytes, signer: Signer) -> LogCheckpoint:
    """The head of a log, signed now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    head = LogCheckpoint(origin=origin, tree_size=tree_size, root=root.hex(), time=now)
    signature = detached.sign(canonical_bytes(head), signer)
    return head.model_copy(update={"signature": signature})


@functools.lru_cache(maxsize=64)  # all receipts of a release carry the same head
def checkpoint_error(checkpoint: LogCheckpoint, anchors: bytes) -> str | None:
    """What is wrong with who signed a head, in words; None when it stands.

    Args:
        checkpoint: as it was found.
        anchors: PEM certificates to trust.
    """
    if checkpoint.signature is None:
        return "it is not signed"
    when = moment(checkpoint.time)
    if when is None:
        return "its time cannot be read"
    unsigned = canonical_bytes(checkpoint.model_copy(update={"signature": None}))
    return detached.signature_error(checkpoint.signature, unsigned, anchors, when)


@functools.lru_cache(maxsize=64)
def unanchored_signature_error(checkpoint: LogCheckpoint) -> str | None:
    """What is wrong with a head's signature, whoever made it, in words; None when it holds.

    It says that the head is as somebody signed it, and nothing of who that is.
    """
    if checkpoint.signature is None:
        return "it is not signed"
    unsigned = canonical_bytes(checkpoint.model_copy(update={"signature": None}))
    return detached.mismatch(checkpoint.signature, unsigned)


def consistency_error(
    one: LogCheckpoint, other: LogCheckpoint, proof: ConsistencyProof | None
) -> str | None:
    """Why two heads are not shown to be of one log, in words; None when they are.

    Args:
        one: a head.
        other: another, earlier or later.
        proof: that the longer log begins with the shorter; not needed for heads of one size.
    """
    earlier, later = sorted((one, other), key=lambda head: head.tree_size)
    if earlier.origin != later.origin:
        return "they are of two logs"
    if earlier.tree_size == later.tree_size:
        same = earlier.root == later.root
        return None if same else "they show two logs under one name, equally long and not the same"
    if proof is None:
        return "they are of different lengths, and no consistency proof was given (--proof)"
    sizes = (earlier.tree_size, later.tree_size)
    if proof.origin != earlier.origin or (proof.first_size, proof.second_size) != sizes:
        return (
            f"the consistency proof is of {proof.first_size} and {proof.second_size} entries of "
            f"{proof.origin}, not of {sizes[0]} and {sizes[1]} entries of {earlier.origin}"
        )
    if not continues(proof, earlier.root, later.root):
        return "the consistency proof does not lead from the one root to the other"
    return None


def follows(checkpoint: LogCheckpoint, signer: Signer) -> bool:
    """Whether a signer may go on where a checkpoint's signer ended.

    He may when both lead to one authority: to the signer's root, or to an authority in his chain.
    The signature must hold, because anybody can show somebody else's certificates.
    """
    if checkpoint.signature is None:
        return False
    own = _certificates(signer.chain)
    anchors = (signer.anchor or b"") + b"".join(own[1:])
    shown = _certificates(checkpoint.signature.chain.encode())
    if not anchors:  # a lone certificate, whose root nobody named: only its like follows it
        return own[:1] == shown[:1]
    return any(
        checkpoint_error(_with_chain(checkpoint, shown[:length]), anchors) is None
        for length in range(len(shown), 0, -1)
    )


def signed_by(checkpoint: LogCheckpoint) -> str:
    """Who the certificates of a checkpoint say that they are, or that it cannot be told."""
    chain = b"" if checkpoint.signature is None else checkpoint.signature.chain.encode()
    try:
        return parsed_pem(chain)[0].subject.rfc4514_string()
    except ValueError:
        return "nobody who can be named"


def moment(text: str) -> datetime | None:
    """A record's time; None when it cannot be read, or lacks a time zone: ours would be a guess."""
    try:
        read = datetime.fromisoformat(text)
        return None if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_as(kind: type[Kind], path: Path) -> Kind:
    """A checkpoint or a proof from its file.

    Raises:
        DataError: the file holds something else.
        StorageError: it cannot be read.
    """
    try:
        return kind.model_validate_json(storage.read(path))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        wanted = kind.model_fields["format"].default
        raise DataError(f"{path} is no {wanted}: {where}: {problem['msg']}") from error


def _with_chain(checkpoint: LogCheckpoint, chain: list[bytes]) -> LogCheckpoint:
    assert checkpoint.signature is not None
    signature = checkpoint.signature.model_copy(update={"chain": b"".join(chain).decode()})
    return checkpoint.model_copy(update={"signature": signature})


def _certificates(chain: bytes) -> list[bytes]:
    """A PEM chain, one by one; none when it cannot be read."""
    try:
        return [each.public_bytes(Encoding.PEM) for each in parsed_pem(chain)]
    except ValueError:
        return []
