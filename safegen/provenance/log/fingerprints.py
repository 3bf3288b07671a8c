"""Which rows have a picture like this one: codes of what was released, searched by their bits.

    fingerprints         place, number, code   a code of 8 bytes, and the row of its entry
    packed_fingerprints  level, chunk, codes   1,024 codes in order, written with the last of them
                                               (level 1), and 64 such chunks in one (level 2)

Neither is ever updated, as nothing in a log is. Codes are compared in memory, all of them: numpy
takes some milliseconds for a million, which are 8 MB and a few reads. A log that stays open keeps
them, and reads what was added since. numpy is imported by a search alone.

Nothing here is signed. Whoever rewrites it can hide a row, and cannot make up one: what a search
finds is only where to look, and `verification.recovery` believes nothing but signatures there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sql

from safegen.database import AS_BYTES
from safegen.errors import TamperedError
from safegen.provenance.log.tables import Number, add_rows, as_bytes, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

CODE = 8  # bytes
CHUNK = 1024  # codes
TOGETHER = 64  # chunks in one of the second level

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
    sql.Column("level", Number, primary_key=True, autoincrement=False),
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
        whole = b"".join(_singles(connection, chunk * CHUNK, (chunk + 1) * CHUNK))
        add_rows(connection, packed, [{"level": 1, "chunk": chunk, "codes": whole}])
        if (chunk + 1) % TOGETHER == 0:
            whole = b"".join(_chunks(connection, 1, chunk + 1 - TOGETHER, chunk + 1))
            add_rows(connection, packed, [{"level": 2, "chunk": chunk // TOGETHER, "codes": whole}])


class Codes:
    """The codes of one log in memory, with what was added since they were last read."""

    def __init__(self) -> None:
        """Nothing is read before the first search."""
        self._whole: NDArray[np.uint64] | None = None

    def nearest(
        self, connection: sql.Connection, codes: Sequence[bytes], *, within: int, most: int
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

        known = self._read(connection)
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

    def _read(self, connection: sql.Connection) -> NDArray[np.uint64]:
        """All codes; those in whole chunks are kept, and the few after them read each time."""
        import numpy as np

        total = count(connection)
        whole = self._whole
        if whole is None or len(whole) > total:  # another database has taken the log's place
            whole = np.empty(0, dtype=np.uint64)
        rest = list(_after(connection, len(whole), total))
        if CODE * (total - len(whole)) != sum(map(len, rest)) or any(len(e) % CODE for e in rest):
            raise TamperedError(
                "the ledger's index of fingerprints does not hold together, so that nothing can "
                "be found by it; use an intact copy of the ledger"
            )
        known = np.concatenate((whole, *(np.frombuffer(each, dtype=np.uint64) for each in rest)))
        self._whole = known[: total - total % CHUNK]
        return known


def _after(connection: sql.Connection, start: int, total: int) -> Iterator[bytes]:
    """The codes from some whole chunk on, in order, in as few reads as there are packs for."""
    start, whole, large = start // CHUNK, total // CHUNK, total // CHUNK // TOGETHER
    first = min(-(-start // TOGETHER), large)
    if first < large:
        yield from _chunks(connection, 1, start, first * TOGETHER)
        yield from _chunks(connection, 2, first, large)
        start = large * TOGETHER
    yield from _chunks(connection, 1, start, whole)
    yield from _singles(connection, whole * CHUNK, total)


def _chunks(connection: sql.Connection, level: int, start: int, end: int) -> Iterator[bytes]:
    chunk = packed.c.chunk
    query = sql.select(packed.c.codes).where(packed.c.level == level, chunk >= start, chunk < end)
    if start < end:
        found = connection.execute(query.order_by(chunk), execution_options=AS_BYTES)
        yield from map(as_bytes, found.scalars())


def _singles(connection: sql.Connection, start: int, end: int) -> Iterator[bytes]:
    place = fingerprints.c.place
    query = sql.select(fingerprints.c.code).where(place >= start, place < end)
    if start < end:
        yield from map(as_bytes, connection.execute(query.order_by(place)).scalars())


def _numbers(connection: sql.Connection, places: Sequence[int]) -> dict[int, int]:
    table = fingerprints
    query = sql.select(table.c.place, table.c.number).where(table.c.place.in_(places))
    return {int(place): int(number) for place, number in connection.execute(query)}
