"""The append-only log of everything released: append, prove, check.

Entries are rows; their hashes are the leaves of a Merkle tree. A proof handed out once pins every
entry before it: no row can be edited, removed or moved without that proof failing afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sql
from pydantic import ValidationError

from safegen.database import connect, connect_to_read, reading, writing
from safegen.errors import TamperedError
from safegen.provenance import merkle
from safegen.provenance.proofs import prove, proves
from safegen.records.canonical import canonical_bytes
from safegen.records.receipt import LogEntry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from safegen.records.receipt import InclusionProof

_tables = sql.MetaData()
_entries = sql.Table(
    "entries",
    _tables,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("file_digest", sql.String, nullable=False, index=True),
    sql.Column("entry", sql.LargeBinary, nullable=False),
)


class Ledger:
    """One log, in SQLite by default or in any database by URL."""

    def __init__(self, location: str | Path, *, to_read: bool = False) -> None:
        """Open a log, or begin one.

        Args:
            location: the path of an SQLite file, or an SQLAlchemy URL.
            to_read: only look at it; then it must be there, and nothing is written.

        Raises:
            StorageError: it cannot be opened.
        """
        self._engine = connect_to_read(location) if to_read else connect(location, _tables)

    def append(self, entries: Sequence[LogEntry]) -> tuple[InclusionProof, ...]:
        """Append entries in one transaction, and prove that each is in the log.

        Raises:
            StorageError: nothing was appended.
        """
        rows = [(entry.file_digest, canonical_bytes(entry)) for entry in entries]
        with writing(self._engine) as connection:
            leaves = self._leaves(connection)
            first = len(leaves)
            connection.execute(
                sql.insert(_entries),
                [
                    {"number": first + place, "file_digest": file_digest, "entry": data}
                    for place, (file_digest, data) in enumerate(rows)
                ],
            )
        leaves += [merkle.leaf_hash(data) for _, data in rows]
        return tuple(prove(leaves, first + place) for place in range(len(rows)))

    def find(self, file_digest: str) -> tuple[LogEntry, InclusionProof] | None:
        """The first entry for a file's digest, with its proof; None when there is none.

        Raises:
            TamperedError: the entry's row was rewritten and is no entry any more.
            StorageError: the log cannot be read.
        """
        with reading(self._engine) as connection:
            query = sql.select(_entries).where(_entries.c.file_digest == file_digest)
            row = connection.execute(query.order_by(_entries.c.number).limit(1)).one_or_none()
            if row is None:
                return None
            leaves = self._leaves(connection)
        try:
            entry = LogEntry.model_validate_json(row.entry)
        except ValidationError as error:
            raise TamperedError(f"row {row.number} is no entry any more") from error
        if entry.file_digest != file_digest:  # the column is for finding; only the entry is proved
            raise TamperedError(f"row {row.number} is filed under another file's digest")
        proof = prove(leaves, row.number)
        if not proves(entry, proof):
            raise TamperedError(f"row {row.number} is not where its number says")
        return entry, proof

    def holds(self, proof: InclusionProof) -> bool:
        """Whether the log still begins with the tree that an earlier proof was made from."""
        with reading(self._engine) as connection:
            leaves = self._leaves(connection)
        earlier = leaves[: proof.tree_size]
        return len(earlier) == proof.tree_size and merkle.root_hash(earlier).hex() == proof.root

    def __len__(self) -> int:
        with reading(self._engine) as connection:
            return int(
                connection.execute(sql.select(sql.func.count(_entries.c.number))).scalar_one()
            )

    def _leaves(self, connection: sql.Connection) -> list[bytes]:
        rows = connection.execute(sql.select(_entries.c.entry).order_by(_entries.c.number))
        return [merkle.leaf_hash(_as_bytes(entry)) for (entry,) in rows]


def _as_bytes(entry: object) -> bytes:
    """SQLite gives text or numbers back for a row that somebody rewrote as such."""
    return entry if isinstance(entry, bytes) else str(entry).encode()
