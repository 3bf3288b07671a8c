"""One look at a log, through one connection: its size, its hashes, its rows, its last head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from pydantic import ValidationError

from safegen.errors import InputError, TamperedError
from safegen.provenance.log import merkle, tables
from safegen.provenance.log.checkpoints import unanchored_signature_error
from safegen.provenance.log.proofs import prove, proves
from safegen.schemas.log import LogCheckpoint, LogEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.provenance.log.merkle import Range
    from safegen.schemas.log import EntryKind, InclusionProof


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """A log as one connection sees it.

    Attributes:
        connection: to read through.
        origin: the log's own name; None for one of before logs had names and stored trees.
    """

    connection: sql.Connection
    origin: str | None

    @classmethod
    def of(cls, connection: sql.Connection) -> LogView:
        """The log behind a connection, whichever version it is of."""
        named = sql.inspect(connection).has_table(tables.log.name)
        origin = tables.origin_of(connection) if named else None
        return cls(connection=connection, origin=origin)

    def size(self) -> int:
        """How many rows the log has.

        Raises:
            TamperedError: it and its stored tree end at different rows.
        """
        return self.rows() if self.origin is None else tables.size_of(self.connection)

    def rows(self) -> int:
        """How many rows there are, whatever is wrong with them; every one is looked at."""
        count = sql.select(sql.func.count(tables.entries.c.number))
        return int(self.connection.execute(count).scalar_one())

    def hashes(self, ranges: Sequence[Range]) -> list[bytes]:
        """Hashes of ranges of rows: read, or computed for a log of before they were stored.

        Raises:
            TamperedError: the stored tree lacks some.
        """
        if self.origin is not None:
            return tables.hash_ranges(self.connection, ranges)
        rows = tables.in_order(self.connection, tables.entries)
        leaves = [merkle.leaf_hash(tables.as_bytes(row.entry)) for row in rows]
        return [merkle.root_hash(leaves[slice(*each)]) for each in ranges]

    def root(self, size: int) -> str | None:
        """The root over the first rows, in hex; None when there are not so many."""
        if size > self.size():
            return None
        (root,) = self.hashes([(0, size)])
        return root.hex()

    def last(self) -> LogCheckpoint | None:
        """The last head that was signed; None when none was.

        Raises:
            TamperedError: its row is no checkpoint any more, or was not signed by whom it names.
        """
        if self.origin is None:
            return None
        table = tables.checkpoints
        query = sql.select(table).order_by(table.c.number.desc()).limit(1)
        row = self.connection.execute(query).one_or_none()
        if row is None:
            return None
        try:
            head = LogCheckpoint.model_validate_json(row.checkpoint)
        except ValidationError as error:
            raise TamperedError(f"checkpoint {row.number} of the ledger cannot be read") from error
        problem = unanchored_signature_error(head)
        if problem is not None:
            raise TamperedError(
                f"the ledger's last head, of {head.time}, does not stand: {problem}"
            )
        return head

    def require_holds(self, head: LogCheckpoint) -> None:
        """The log must begin with what a head says.

        Raises:
            InputError: it is the head of another log.
            TamperedError: the log was rewritten since, or cut.
        """
        if head.origin != self.origin:
            raise InputError(
                f"the checkpoint of {head.time} is of the log {head.origin}, and this one is "
                f"{self.origin or 'of before logs had names'}; name the ledger that it is of"
            )
        if self.root(head.tree_size) != head.root:
            raise TamperedError(
                f"the ledger does not begin with the {head.tree_size} entries of its checkpoint "
                f"of {head.time}; `safegen ledger check` names what was changed"
            )

    def first_after(self, file_digest: str, size: int) -> int | None:
        """The number of the first row for a file's digest that is not among the first rows."""
        table = tables.entries
        query = sql.select(table.c.number).where(table.c.file_digest == file_digest)
        found: int | None = self.connection.execute(
            query.where(table.c.number >= size).order_by(table.c.number).limit(1)
        ).scalar()
        return found

    def filed_as(self, kind: EntryKind, size: int) -> tuple[str, ...]:
        """Under which digests the first rows have entries of a kind, in order; reads every row."""
        mark = f'"kind":"{kind}"'.encode()
        rows = tables.in_order(self.connection, tables.entries, before=size)
        found = (row.file_digest for row in rows if mark in tables.as_bytes(row.entry))
        return tuple(dict.fromkeys(found))

    def find(self, file_digest: str, size: int) -> tuple[LogEntry, InclusionProof] | None:
        """The first entry for a file's digest among the first rows, proved to be under them.

        Raises:
            TamperedError: the entry's row was rewritten and is no entry any more.
        """
        table = tables.entries
        query = sql.select(table).where(table.c.file_digest == file_digest, table.c.number < size)
        row = self.connection.execute(query.order_by(table.c.number).limit(1)).one_or_none()
        return None if row is None else self._proved(row, size)

    def numbered(self, number: int, size: int) -> tuple[LogEntry, InclusionProof] | None:
        """The entry of a row among the first rows, proved to be under them.

        Raises:
            TamperedError: the row was rewritten and is no entry any more.
        """
        table = tables.entries
        query = sql.select(table).where(table.c.number == number, table.c.number < size)
        row = self.connection.execute(query).one_or_none()
        return None if row is None else self._proved(row, size)

    def _proved(self, row: sql.Row[Any], size: int) -> tuple[LogEntry, InclusionProof]:
        try:
            entry = LogEntry.model_validate_json(row.entry)
        except ValidationError as error:
            raise TamperedError(f"row {row.number} is no entry any more") from error
        if (
            entry.file_digest != row.file_digest
        ):  # the column is for finding; only the entry is proved
            raise TamperedError(f"row {row.number} is filed under another file's digest")
        if row.number < 0:
            raise TamperedError(f"row {row.number} is not where its number says")
        ranges = [(0, size), *merkle.inclusion_ranges(row.number, size)]
        known = dict(zip(ranges, self.hashes(ranges), strict=True))
        proof = prove(row.number, size, known.__getitem__)
        if not proves(entry, proof):
            raise TamperedError(f"row {row.number} is not what the tree over it holds")
        return entry, proof
