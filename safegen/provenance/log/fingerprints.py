"""Which rows have a picture like this one: codes of what was released, searched by their bits.

    fingerprints         place, number, code   a code of 8 bytes, and the row of its entry
    packed_fingerprints  chunk, codes          1,024 codes in order, written with the last of them

Neither is ever updated, as nothing in a log is. A search reads the chunks and the few codes after
them; numpy compares a million in some milliseconds, and is imported by a search alone.

Nothing here is signed. Whoever rewrites it can hide a row, and cannot make up one: what a search
finds is only where to look, and `verification.recovery` believes nothing but signatures there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sql

from safegen.errors import TamperedError
from safegen.provenance.log.tables import Number, add_rows, as_bytes, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

CODE = 8  # bytes
CHUNK = 1024  # codes

fingerprints = sql.Table(
    "fingerprints",
    tables,
    sql.Column("place", Number, primary_key=True, autoincrement=False),
    sql.Column("number", Number, nullable=False),
    sql.Column("code", sql.LargeBinary, nullable=False),
)
packed = sql.Table(
    "packed_fingerprints",
    tables,
    sql.Column("chunk", Number, primary_key=True, autoincrement=False),
    sql.Column("codes", sql.LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A row whose code is near to one that was searched for.

    Attributes:
        number: of the row.
        distance: bits that differ.
    """

    number: int
    distance: int


def is_indexed(connection: sql.Connection) -> bool:
    """Whether a log has such an index; one of before there were any has none."""
    return sql.inspect(connection).has_table(fingerprints.name)


def count(connection: sql.Connection) -> int:
    """How many codes there are."""
    last = connection.execute(sql.select(sql.func.max(fingerprints.c.place))).scalar()
    return 0 if last is None else int(last) + 1


def add(connection: sql.Connection, codes: Sequence[tuple[int, bytes]]) -> None:
    """Add codes with their rows' numbers, and pack what they complete."""
    first = count(connection)
    rows = [
        {"place": place, "number": number, "code": code}
        for place, (number, code) in enumerate(codes, start=first)
    ]
    add_rows(connection, fingerprints, rows)
    for chunk in range(first // CHUNK, (first + len(rows)) // CHUNK):
        place = fingerprints.c.place
        query = sql.select(fingerprints.c.code).where(
            place >= chunk * CHUNK, place < (chunk + 1) * CHUNK
        )
        whole = b"".join(connection.execute(query.order_by(place)).scalars())
        add_rows(connection, packed, [{"chunk": chunk, "codes": whole}])


def nearest(
    connection: sql.Connection, codes: Sequence[bytes], *, within: int, most: int
) -> tuple[Near, ...]:
    """The rows whose codes are nearest to any of some codes, nearest first.

    Args:
        connection: to read through.
        codes: of 8 bytes each; several views of one picture.
        within: bits that may differ.
        most: rows that are told.

    Raises:
        TamperedError: the index does not hold together.
    """
    import numpy as np

    known = np.frombuffer(_all_codes(connection), dtype=np.uint64)
    distances = np.full(len(known), 8 * CODE, dtype=np.uint8)
    for code in set(codes):
        (one,) = np.frombuffer(code, dtype=np.uint64)
        np.minimum(distances, np.bitwise_count(known ^ one), out=distances)
    places = np.flatnonzero(distances <= within)
    places = places[np.argsort(distances[places], kind="stable")][:most]
    numbers = _numbers(connection, places.tolist())
    return tuple(
        Near(number=numbers[place], distance=int(distances[place]))
        for place in places.tolist()
        if place in numbers
    )


def _all_codes(connection: sql.Connection) -> bytes:
    chunks = connection.execute(sql.select(packed.c.codes).order_by(packed.c.chunk)).scalars()
    parts = list(map(as_bytes, chunks))
    place = fingerprints.c.place
    tail = sql.select(fingerprints.c.code).where(place >= len(parts) * CHUNK).order_by(place)
    rest = list(map(as_bytes, connection.execute(tail).scalars()))
    if any(len(each) != CODE * CHUNK for each in parts) or any(len(each) != CODE for each in rest):
        raise TamperedError(
            "the ledger's index of fingerprints does not hold together, so that nothing can be "
            "found by it; use an intact copy of the ledger"
        )
    return b"".join((*parts, *rest))


def _numbers(connection: sql.Connection, places: Sequence[int]) -> dict[int, int]:
    table = fingerprints
    query = sql.select(table.c.place, table.c.number).where(table.c.place.in_(places))
    return {int(place): int(number) for place, number in connection.execute(query)}
