"""A whole log: is it what it ever said of itself?

1. Every row is hashed again and held against the stored tree, which names the first row that
   was edited, removed, moved or put in between.
2. The root over the rows is computed again at every size of which a signed head speaks: those
   that the log keeps, and those that others kept. Whoever rewrites rows can rewrite the stored
   tree as well, but not a signed head that somebody else has.
3. The heads' signatures must hold, and stand against the list of trust, where there is one.
4. No row may come after the last head: whoever appends signs in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen.errors import TamperedError
from safegen.progress import silent
from safegen.provenance.log import tables
from safegen.provenance.log.checkpoints import checkpoint_error, unanchored_signature_error
from safegen.provenance.log.diagnosis import TreeDiagnosis, iter_rows
from safegen.schemas.log import LogCheckpoint, LogFault, LogReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from safegen.progress import Progress
    from safegen.provenance.log.snapshot import LogView
    from safegen.schemas.log import FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """A signed head and whose copy of it this is."""

    checkpoint: LogCheckpoint
    whose: str

    def fault(self, said: str, kind: FaultKind = "checkpoint") -> LogFault:
        """That something is wrong with it."""
        size, time = self.checkpoint.tree_size, self.checkpoint.time
        text = f"{self.whose} checkpoint of {time} ({size} entries) {said}"
        return LogFault(kind=kind, row=None, text=text)


def inspect(
    view: LogView,
    *,
    anchors: bytes | None,
    earlier: Sequence[LogCheckpoint],
    progress: Progress,
) -> LogReport:
    """Look at everything, as `Ledger.check` describes."""
    faults: list[LogFault] = []
    kept = list(_kept(view, faults)) if view.origin is not None else []
    heads = [*kept, *(_Head(checkpoint=each, whose="the given") for each in earlier)]
    # 1. Every row.
    wanted = frozenset(head.checkpoint.tree_size for head in heads)
    diagnosis = TreeDiagnosis(wanted=wanted, has_tree=view.origin is not None)
    total = view.rows()
    for done, place in enumerate(iter_rows(view)):
        if done % tables.BATCH_ROWS == 0:
            progress("checking", min(done, total), total)
        diagnosis.feed(place)
    progress("checking", total, total)
    root = diagnosis.end()
    # 2 and 3. Every signed head.
    faults = [*diagnosis.faults(), *faults, *_against_rows(heads, diagnosis, view.origin)]
    faults.extend(_against_trust(heads, anchors, progress))
    # 4. Rows that nobody signed for.
    faults.extend(_unsigned(heads, diagnosis))
    return LogReport(
        origin=view.origin,
        entries=diagnosis.size,
        root=root,
        checkpoints=len(kept),
        signatures_checked=anchors is not None,
        faults=tuple(faults),
    )


def require_adoptable(view: LogView) -> None:
    """Rows that nobody signed for can only be signed for when nothing else is wrong with a log.

    Raises:
        TamperedError: something is.
    """
    report = inspect(view, anchors=None, earlier=(), progress=silent)
    wrong = next((fault for fault in report.faults if fault.kind != "unsigned"), None)
    if wrong is not None:
        raise TamperedError(f"nothing was signed: {wrong.text}; `safegen ledger check` says more")


def _kept(view: LogView, faults: list[LogFault]) -> Iterator[_Head]:
    """The heads that the log keeps; what is wrong with their places goes among the faults."""
    expected = longest = 0
    for row in tables.in_order(view.connection, tables.checkpoints):
        if row.number != expected:
            text = f"the ledger's own checkpoint {expected} was removed or moved"
            faults.append(LogFault(kind="checkpoint", row=None, text=text))
        expected = row.number + 1
        try:
            checkpoint = LogCheckpoint.model_validate_json(tables.as_bytes(row.checkpoint))
        except ValidationError:
            text = f"the ledger's own checkpoint {row.number} cannot be read"
            faults.append(LogFault(kind="checkpoint", row=None, text=text))
            continue
        head = _Head(checkpoint=checkpoint, whose="the ledger's own")
        if checkpoint.tree_size != row.tree_size or checkpoint.tree_size < longest:
            faults.append(head.fault(f"is not where it was put: it stands at {row.number} now"))
        longest = max(longest, checkpoint.tree_size)
        yield head


def _against_rows(
    heads: Sequence[_Head], diagnosis: TreeDiagnosis, origin: str | None
) -> Iterator[LogFault]:
    """The heads that the rows disprove, and since which of the others."""
    good = [
        head.checkpoint.tree_size
        for head in heads
        if diagnosis.roots.get(head.checkpoint.tree_size) == head.checkpoint.root
    ]
    for head in heads:
        size = head.checkpoint.tree_size
        if head.checkpoint.origin != origin:
            yield head.fault(f"is of another log, {head.checkpoint.origin}")
        elif size > diagnosis.size:
            yield head.fault(
                f"is of a longer log: {size - diagnosis.size} were cut off its end", "cut"
            )
        elif diagnosis.roots.get(size) != head.checkpoint.root:
            since = max((each for each in good if each < size), default=0)
            whole = f"; the first {since} are as an earlier one says" if since else ""
            yield head.fault(f"no longer holds: entries before it were changed{whole}")


def _against_trust(
    heads: Sequence[_Head], anchors: bytes | None, progress: Progress
) -> Iterator[LogFault]:
    for done, head in enumerate(heads, start=1):
        progress("signatures", done, len(heads))
        problem = (
            unanchored_signature_error(head.checkpoint)
            if anchors is None
            else checkpoint_error(head.checkpoint, anchors)
        )
        if problem is not None:
            yield head.fault(f"does not stand: {problem}")


def _unsigned(heads: Sequence[_Head], diagnosis: TreeDiagnosis) -> Iterator[LogFault]:
    """The rows after the last head."""
    longest = max((head.checkpoint.tree_size for head in heads), default=0)
    if diagnosis.size <= longest:
        return
    count = diagnosis.size - longest
    text = (
        f"{count} {'entry' if count == 1 else 'entries'} from row {longest} on "
        f"{'is' if count == 1 else 'are'} under no signed head, and worth nothing"
    )
    yield LogFault(kind="unsigned", row=longest, text=text)
