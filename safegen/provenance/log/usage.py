"""What was made for whom, counted in the ledger's database before it is made.

    counted_requests    number, time, actor, purpose, model, outputs

One row for each request that was admitted under a policy with quotas; rows are only ever added, as
everywhere in a ledger's database. They are no part of the log: its tree does not cover them, nobody
is given them, and rows of periods that are over may be deleted. A quota is a sum over them, so that
a policy that is edited, renamed or copied counts what was made before.

A request is counted in one transaction that holds the writers' lock while the guard decides, so
that two requests never see the same count. What was counted stays counted, whatever becomes of the
release (decision 57).
"""

from __future__ import annotations

import contextlib
import unicodedata
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sql

from safegen.database import connect, connect_to_read, holds_table, reading, writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from safegen.schemas.quota import Every, QuotaDocument

tables = sql.MetaData()
_Number = sql.BigInteger().with_variant(sql.Integer, "sqlite")
counted = sql.Table(
    "counted_requests",
    tables,
    sql.Column("number", _Number, primary_key=True, autoincrement=False),
    sql.Column("time", sql.BigInteger, nullable=False),  # seconds since 1970, UTC
    sql.Column("actor", sql.String, nullable=False),
    sql.Column("purpose", sql.String, nullable=False),
    sql.Column("model", sql.String, nullable=False),
    sql.Column("outputs", sql.BigInteger, nullable=False),
    sql.Index("ix_counted_requests_actor", "actor", "time"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """For whom and what a request is counted.

    Attributes:
        actor: who asks.
        purpose: what for.
        model: the model's digest.
    """

    actor: str
    purpose: str
    model: str

    def as_counted(self) -> dict[str, str]:
        """The columns; names that only differ in case, width or spaces are one."""
        return {"actor": alike(self.actor), "purpose": alike(self.purpose), "model": self.model}


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one of those that a quota counts for has used in the present period.

    Attributes:
        whom: the values of what the quota counts for, by column; empty where for all together.
        outputs: how many.
    """

    whom: Mapping[str, str]
    outputs: int


class Usage:
    """The counts in one ledger's database."""

    def __init__(self, location: str | Path, *, to_read: bool = False) -> None:
        """Open the database of a ledger.

        Args:
            location: the path of an SQLite file, or an SQLAlchemy URL.
            to_read: only look; then it must be there, and nothing is written.

        Raises:
            StorageError: it cannot be opened.
        """
        engine = connect_to_read(location) if to_read else connect(location, tables)
        self._engine = engine
        weakref.finalize(self, engine.dispose)

    @contextlib.contextmanager
    def counting(
        self, quotas: Sequence[QuotaDocument], who: Requester, outputs: int, now: datetime
    ) -> Iterator[dict[str, int]]:
        """Count a request, unless what is done with the counts of before raises.

        Args:
            quotas: what is counted.
            who: for whom and what.
            outputs: how many are asked for.
            now: when, in UTC.

        Yields:
            What was used before, by the quota's name. Until this ends, other writers wait.

        Raises:
            StorageError: it cannot be counted, and nothing was.
        """
        row = who.as_counted()
        with writing(self._engine) as connection:
            yield {quota.id: _sum(connection, quota, row, now) for quota in quotas}
            last = connection.execute(sql.select(sql.func.max(counted.c.number))).scalar()
            number = 0 if last is None else int(last) + 1
            row_of_it = {"number": number, "time": int(now.timestamp()), "outputs": outputs}
            connection.execute(sql.insert(counted).values(**row, **row_of_it))

    def used(self, quota: QuotaDocument, now: datetime) -> tuple[Used, ...]:
        """What everybody has used of a quota in the period of a moment, most first."""
        if not holds_table(self._engine, counted.name):
            return ()
        columns = [counted.c[name] for name in quota.per]
        total = sql.func.sum(counted.c.outputs).label("used")
        query = sql.select(*columns, total).where(*_in_period(quota.every, now))
        if columns:
            query = query.group_by(*columns)
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        found = (
            Used(whom={name: row[name] for name in quota.per}, outputs=int(row["used"]))
            for row in rows
            if row["used"] is not None
        )
        return tuple(sorted(found, key=lambda each: (-each.outputs, *each.whom.values())))


def alike(name: str) -> str:
    """How a name is counted.

    >>> alike(" Ada  Lovelace"), alike("ＡＤＡ")
    ('ada lovelace', 'ada')
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def period_begin(every: Every, now: datetime) -> datetime | None:
    """When the period of a moment began; None for the one without beginning.

    >>> from datetime import UTC, datetime
    >>> period_begin("month", datetime(2026, 11, 28, 9, 30, tzinfo=UTC)).isoformat()
    '2026-11-01T00:00:00+00:00'
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    match every:
        case "hour":
            return hour
        case "day":
            return hour.replace(hour=0)
        case "month":
            return hour.replace(day=1, hour=0)
        case "ever":
            return None


def _sum(
    connection: sql.Connection, quota: QuotaDocument, row: Mapping[str, str], now: datetime
) -> int:
    same = [counted.c[name] == row[name] for name in quota.per]
    query = sql.select(sql.func.sum(counted.c.outputs))
    used = connection.execute(query.where(*same, *_in_period(quota.every, now))).scalar()
    return 0 if used is None else int(used)


def _in_period(every: Every, now: datetime) -> list[sql.ColumnElement[bool]]:
    """From the period's beginning on, without an end: a clock that is set back gains nothing."""
    begin = period_begin(every, now)
    return [] if begin is None else [counted.c.time >= int(begin.timestamp())]
