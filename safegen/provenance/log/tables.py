"""How a log lies in a database: its rows, the hashes over them, its signed heads, its name.

    entries      number, file_digest, entry     a row's canonical bytes, the leaf of the tree
    nodes        number, hashes                 what row `number` completes: the hashes of all
                                                subtrees that end with it, smallest first
    checkpoints  number, tree_size, checkpoint  signed heads, in canonical bytes
    log          origin                         the log's own name

What is kept so that stripped copies are found again lies beside them (`fingerprints`,
`originals`); no root and no head covers that.

A complete subtree never changes, so that nothing here is ever updated: whoever keeps a log needs
only to read and to insert.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql

from safegen.database import reading, writing
from safegen.errors import TamperedError
from safegen.provenance.log import merkle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from safegen.provenance.log.merkle import Range, Subtree

tables = sql.MetaData()
Number = sql.BigInteger().with_variant(sql.Integer, "sqlite")
entries = sql.Table(
    "entries",
    tables,
    sql.Column("number", Number, primary_key=True, autoincrement=False),
    sql.Column("file_digest", sql.String, nullable=False),
    sql.Column("entry", sql.LargeBinary, nullable=False),
    sql.Index("ix_entries_file_digest", "file_digest", "number"),  # in the order that is asked for
)
nodes = sql.Table(
    "nodes",
    tables,
    sql.Column("number", Number, primary_key=True, autoincrement=False),
    sql.Column("hashes", sql.LargeBinary, nullable=False),
)
checkpoints = sql.Table(
    "checkpoints",
    tables,
    sql.Column("number", Number, primary_key=True, autoincrement=False),
    sql.Column("tree_size", Number, nullable=False),
    sql.Column("checkpoint", sql.LargeBinary, nullable=False),
)
log = sql.Table("log", tables, sql.Column("origin", sql.String, primary_key=True))

HASH_BYTES = 32  # bytes
BATCH_ROWS = 1000  # rows that are read or written together
_SEE = "`safegen ledger check` names what was changed"


def begin(engine: sql.Engine) -> str:
    """The log's name; a new log is given one, and one of an earlier version its tree as well.

    Raises:
        TamperedError: rows of the earlier version are missing.
        StorageError: nothing was changed.
    """
    with reading(engine) as connection:
        origin = origin_of(connection)
    if origin is not None:
        return origin
    with writing(engine) as connection:
        origin = origin_of(connection)  # somebody else may have been faster
        if origin is None:
            _build_missing_tree(connection)
            origin = f"urn:uuid:{uuid.uuid4()}"
            connection.execute(sql.insert(log).values(origin=origin))
    return origin


def origin_of(connection: sql.Connection) -> str | None:
    """The log's name; None when it has none yet."""
    found: str | None = connection.execute(sql.select(log.c.origin)).scalar()
    return found


def size_of(connection: sql.Connection) -> int:
    """How many rows the log has.

    Raises:
        TamperedError: it and its stored tree end at different rows.
    """
    rows, hashed = (
        connection.execute(sql.select(sql.func.max(table.c.number))).scalar()
        for table in (entries, nodes)
    )
    if rows != hashed:
        raise TamperedError(
            f"the ledger ends with row {rows} and its stored tree with row {hashed}, so that rows "
            f"were removed or added around it; {_SEE}"
        )
    return 0 if rows is None else int(rows) + 1


def read_subtrees(connection: sql.Connection, wanted: Iterable[Subtree]) -> dict[Subtree, bytes]:
    """The stored hashes of complete subtrees.

    Raises:
        TamperedError: the stored tree lacks one.
    """
    ends = {(level, place): ((place + 1) << level) - 1 for level, place in wanted}
    query = sql.select(nodes).where(nodes.c.number.in_(sorted(set(ends.values()))))
    rows = {number: as_bytes(hashes) for number, hashes in connection.execute(query)}
    found = {}
    for (level, place), end in ends.items():
        hashed = rows.get(end, b"")[HASH_BYTES * level : HASH_BYTES * (level + 1)]
        if len(hashed) != HASH_BYTES:
            raise TamperedError(f"the stored tree lacks a hash at row {end}; {_SEE}")
        found[level, place] = hashed
    return found


def hash_ranges(connection: sql.Connection, ranges: Sequence[Range]) -> list[bytes]:
    """The hashes of ranges of rows, with one query.

    Raises:
        TamperedError: the stored tree lacks some.
    """
    wanted = {subtree for rows in ranges for subtree in merkle.subtrees(rows)}
    known = read_subtrees(connection, wanted)
    return [hash_of(known, rows) for rows in ranges]


def hash_of(known: Mapping[Subtree, bytes], rows: Range) -> bytes:
    """The hash of a range of rows from those of its complete subtrees."""
    return merkle.fold([known[subtree] for subtree in merkle.subtrees(rows)])


def add_nodes(
    connection: sql.Connection, size: int, leaves: Sequence[bytes]
) -> dict[Subtree, bytes]:
    """Store what new leaves complete, and tell all the subtrees that proofs of them need."""
    at = merkle.subtrees((0, size))
    known = read_subtrees(connection, at)
    frontier = [known[subtree] for subtree in at]
    rows = []
    for number, leaf in enumerate(leaves, start=size):
        completed = merkle.grow(frontier, number, leaf)
        known |= {(level, number >> level): hashed for level, hashed in enumerate(completed)}
        rows.append({"number": number, "hashes": b"".join(completed)})
    add_rows(connection, nodes, rows)
    return known


def add_rows(
    connection: sql.Connection, table: sql.Table, rows: Sequence[Mapping[str, object]]
) -> None:
    """Insert rows, however many; without any, nothing."""
    if rows:
        connection.execute(sql.insert(table), rows)


def in_order(
    connection: sql.Connection, table: sql.Table, *, before: int | None = None
) -> Iterator[sql.Row[Any]]:
    """A table's rows by number, read a part at a time, with no cursor left open in between."""
    query = sql.select(table).order_by(table.c.number).limit(BATCH_ROWS)
    if before is not None:
        query = query.where(table.c.number < before)
    part = connection.execute(query).all()
    while part:
        yield from part
        part = connection.execute(query.where(table.c.number > part[-1].number)).all()


def as_bytes(value: object) -> bytes:
    """SQLite gives text or numbers back for a row that somebody rewrote as such."""
    return value if isinstance(value, bytes) else str(value).encode()


def _build_missing_tree(connection: sql.Connection) -> None:
    """Store the tree over the rows of a log that was begun before trees were stored."""
    if connection.execute(sql.select(nodes.c.number).limit(1)).first() is not None:
        raise TamperedError("the ledger's own name was removed; use an intact copy")
    size, leaves = 0, []
    for number, row in enumerate(in_order(connection, entries)):
        if row.number != number:
            raise TamperedError(
                f"row {number} of the ledger is missing, so that no tree can be put over it; use "
                "an intact copy"
            )
        leaves.append(merkle.leaf_hash(as_bytes(row.entry)))
        if len(leaves) == BATCH_ROWS:
            add_nodes(connection, size, leaves)
            size, leaves = size + len(leaves), []
    add_nodes(connection, size, leaves)
