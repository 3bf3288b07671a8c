"""Which output carries which mark: ids that are given out once, and the rows that have them.

    watermark_ids   algorithm, id           given out, before the picture that carries it was signed
    watermarks      algorithm, id, number   which row has it, written with its entry

An id is never given out twice, also when what it was given for never left: another copy of a
picture may have been seen. Neither table is ever updated.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import sqlalchemy as sql

from safegen.errors import StorageError, TamperedError
from safegen.provenance.log.tables import BATCH_ROWS, Number, add_rows, tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

FEW_IDS_BITS = 20  # of payloads so short that most ids may be taken

given_out = sql.Table(
    "watermark_ids",
    tables,
    sql.Column("algorithm", sql.String, primary_key=True),
    sql.Column("id", Number, primary_key=True, autoincrement=False),
)
watermarks = sql.Table(
    "watermarks",
    tables,
    sql.Column("algorithm", sql.String, primary_key=True),
    sql.Column("id", Number, primary_key=True, autoincrement=False),
    sql.Column("number", Number, nullable=False),
)


def has_marks(connection: sql.Connection) -> bool:
    """Whether a log knows of marks; one of before there were any does not."""
    return sql.inspect(connection).has_table(watermarks.name)


def give_out(connection: sql.Connection, algorithm: str, bits: int, count: int) -> list[int]:
    """Random ids that were never given out, and are now.

    Args:
        connection: to write through.
        algorithm: of the marks.
        bits: of a payload.
        count: how many.

    Raises:
        StorageError: so many are not left.
    """
    if bits <= FEW_IDS_BITS:
        taken = set(_of(connection, given_out, algorithm))
        free = [each for each in range(1 << bits) if each not in taken]
        if len(free) < count:
            raise StorageError(
                f"the ledger has given out all but {len(free)} of its {1 << bits:,} marks for "
                f"pictures of this size, and {count} are needed; begin another ledger, or release "
                "without marks"
            )
        ids = secrets.SystemRandom().sample(free, count)
    else:
        ids = []
        while len(ids) < count:
            drawn = {secrets.randbelow(1 << bits) for _ in range(count - len(ids))} - set(ids)
            ids += sorted(drawn - set(_of(connection, given_out, algorithm, drawn)))
        secrets.SystemRandom().shuffle(ids)
    add_rows(connection, given_out, [{"algorithm": algorithm, "id": each} for each in ids])
    return ids


def add(connection: sql.Connection, marks: Sequence[tuple[str, int, int]]) -> None:
    """Say which rows carry which marks.

    Args:
        connection: to write through.
        marks: algorithm, id and row of each.

    Raises:
        TamperedError: two outputs claim one id.
    """
    claimed = [(algorithm, mark) for algorithm, mark, _ in marks]
    for algorithm in {each for each, _ in claimed}:
        had = rows_of(connection, algorithm, [mark for each, mark in claimed if each == algorithm])
        twice = [each for each in claimed if claimed.count(each) > 1] if not had else []
        if had or twice:
            mark = next(iter(had), None) or twice[0][1]
            raise TamperedError(
                f"two outputs claim the mark {mark} of {algorithm}, so that a copy could be of "
                "either; nothing was logged: make the release again"
            )
    rows = [{"algorithm": each, "id": mark, "number": row} for each, mark, row in marks]
    add_rows(connection, watermarks, rows)


def rows_of(connection: sql.Connection, algorithm: str, ids: Iterable[int]) -> dict[int, int]:
    """The rows of some ids, as far as outputs have them."""
    table, asked = watermarks, sorted(set(ids))
    found: dict[int, int] = {}
    for start in range(0, len(asked), BATCH_ROWS):
        query = sql.select(table.c.id, table.c.number).where(
            table.c.algorithm == algorithm, table.c.id.in_(asked[start : start + BATCH_ROWS])
        )
        found |= {int(mark): int(number) for mark, number in connection.execute(query)}
    return found


def counts(connection: sql.Connection) -> dict[str, int]:
    """How many outputs carry marks, by algorithm."""
    table = watermarks
    query = sql.select(table.c.algorithm, sql.func.count()).group_by(table.c.algorithm)
    return {str(algorithm): int(count) for algorithm, count in connection.execute(query)}


def all_ids(connection: sql.Connection, algorithm: str) -> list[int]:
    """The ids that outputs have."""
    return list(_of(connection, watermarks, algorithm))


def _of(
    connection: sql.Connection,
    table: sql.Table,
    algorithm: str,
    ids: Collection[int] | None = None,
) -> Iterable[int]:
    query = sql.select(table.c.id).where(table.c.algorithm == algorithm)
    if ids is not None:
        query = query.where(table.c.id.in_(ids))
    return map(int, connection.execute(query).scalars())
