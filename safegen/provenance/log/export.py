"""What people do with a log: export it, prove a file by it, check receipts without it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from safegen import storage
from safegen.errors import DataError, InputError, TamperedError
from safegen.provenance.log import merkle
from safegen.provenance.log.checkpoints import checkpoint_error, read_as
from safegen.provenance.log.receipts import log_error, logged_error, receipt_error
from safegen.schemas.canonical import canonical_bytes, sha256
from safegen.schemas.log import LogCheckpoint, LoggedFile
from safegen.schemas.receipt import AnyReceipt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from safegen.progress import Progress
    from safegen.provenance.log.ledger import Ledger
    from safegen.schemas.log import ConsistencyProof

_SHOWN: TypeAdapter[AnyReceipt | LoggedFile] = TypeAdapter(AnyReceipt | LoggedFile)


def prove_file(ledger: Ledger, path: Path, checkpoint: LogCheckpoint | None) -> LoggedFile:
    """Prove that exactly this file is in a log.

    Args:
        ledger: the log.
        path: the file.
        checkpoint: the head to prove it under; the log's last one when None.

    Raises:
        InputError: the log has no such file under that head, or no head was signed.
        TamperedError: the log does not begin with what that head says.
    """
    found = ledger.find_under(sha256(storage.read(path)), checkpoint)
    if found is None:
        when = (
            "its last checkpoint" if checkpoint is None else f"the checkpoint of {checkpoint.time}"
        )
        raise InputError(
            f"the ledger has no entry for exactly this {path} under {when}; name the file as it "
            "was released, or a later checkpoint"
        )
    return found


def export(ledger: Ledger, path: Path, progress: Progress) -> int:
    """Write all entries of a log, one canonical JSON a line, and last its last checkpoint.

    Args:
        ledger: the log.
        path: written whole or not at all.
        progress: told how far it is.

    Returns:
        How many entries were written.

    Raises:
        InputError: no head of the log was signed yet.
        TamperedError: the rows are not what the last checkpoint says; nothing is written.
    """
    head = ledger.last_checkpoint()
    if head is None:
        raise InputError(
            "no head of this ledger was signed yet; sign it with `safegen ledger checkpoint`, "
            "then export"
        )
    storage.write_parts(path, _lines(ledger, head, progress))
    return head.tree_size


def _lines(ledger: Ledger, head: LogCheckpoint, progress: Progress) -> Iterator[bytes]:
    """The rows under a head and the head, unless they turn out not to belong together."""
    frontier: list[bytes] = []
    progress("exporting", 0, head.tree_size)
    for number, row in enumerate(ledger.rows(before=head.tree_size)):
        merkle.grow(frontier, number, merkle.leaf_hash(row))
        yield row + b"\n"
        if number % 1000 == 0:
            progress("exporting", number, head.tree_size)
    if merkle.fold(frontier).hex() != head.root:
        raise TamperedError(
            f"the ledger's rows are not those of its checkpoint of {head.time}, so that nothing "
            "was written; `safegen ledger check` names what was changed"
        )
    progress("exporting", head.tree_size, head.tree_size)
    yield canonical_bytes(head) + b"\n"


def read_shown(path: Path) -> AnyReceipt | LoggedFile:
    """A receipt of any version, or a proof that `safegen ledger prove` made.

    Raises:
        DataError: the file is neither.
    """
    try:
        return _SHOWN.validate_json(storage.read(path))
    except ValidationError as error:
        raise DataError(
            f"{path} is neither a receipt nor a proof of logging that can be read here; it may be "
            "of another version"
        ) from error


def read_head(path: Path) -> LogCheckpoint:
    """A checkpoint from its file, or the one that a receipt or a proof of logging carries.

    Raises:
        DataError: the file holds none.
    """
    try:
        return read_as(LogCheckpoint, path)
    except DataError:
        with contextlib.suppress(DataError):
            head = getattr(read_shown(path), "checkpoint", None)
            if isinstance(head, LogCheckpoint):
                return head
        raise


def problems_without_ledger(
    shown: AnyReceipt | LoggedFile,
    anchors: bytes,
    checkpoint: LogCheckpoint | None,
    proof: ConsistencyProof | None,
) -> tuple[str, ...]:
    """What is wrong with a receipt, alone and beside a head that somebody fetched elsewhere.

    Args:
        shown: the receipt, or a proof of logging.
        anchors: PEM certificates to trust.
        checkpoint: the head; None when there is none to hold it against.
        proof: of consistency between the receipt's head and that one.

    Returns:
        All problems in words; none when both stand and are of one log.
    """
    judge = (
        logged_error(shown, anchors)
        if isinstance(shown, LoggedFile)
        else receipt_error(shown, anchors)
    )
    found = [] if judge is None else [f"the receipt does not stand: {judge}"]
    if checkpoint is not None:
        alone = checkpoint_error(checkpoint, anchors)
        if alone is not None:
            found.append(f"the checkpoint does not stand: {alone}")
        between = log_error(shown, checkpoint, proof)
        if between is not None:
            found.append(f"receipt and checkpoint are not shown to be of one log: {between}")
    return tuple(found)
