"""How each data set stands: the reading side of the budget ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql

from safegen.privacy.accounting import adaptive
from safegen.privacy.accounting import events as accounting
from safegen.privacy.accounting.budget_tables import DATA_SETS, EVENTS, GRANTS
from safegen.privacy.accounting.room import Room

if TYPE_CHECKING:
    from safegen.schemas.certificate import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How one data set stands.

    Attributes:
        name: of the data set.
        digest: of its records.
        public: whether it is a public benchmark, whose total is not kept to.
        total: epsilon that all runs may cost together.
        spent: what they cost, each having been chosen by what earlier ones gave; this is held
            against the total.
        planned: what they would cost if all had been chosen beforehand; never more.
        delta: of both.
        runs: how many there were.
        unit: what is protected.
    """

    name: str
    digest: str
    public: bool
    total: float
    spent: float
    planned: float
    delta: float
    runs: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run on a data set.

    Attributes:
        granted: when; ISO 8601, UTC.
        settled: whether it finished; one that did not has spent all that it was granted.
        steps: private steps that it ran, or was granted.
        epsilon: what it cost alone.
        spent: what all runs until then cost together, each chosen by what earlier ones gave.
        planned: what they would cost if all had been chosen beforehand.
    """

    granted: str
    settled: bool
    steps: int
    epsilon: float
    spent: float
    planned: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A grant as it counts toward the total.

    Attributes:
        row: of the grant in its ledger.
        granted: when; ISO 8601, UTC.
        settled: whether its run finished.
        events: what it holds.
        mu: what it counts for the filter (`adaptive.mu_of`).
        alone: epsilon that it costs alone.
        kept: whether the ledger holds both numbers already.
    """

    row: int
    granted: str
    settled: bool
    events: tuple[Event, ...]
    mu: float
    alone: float
    kept: bool


def accounts(connection: sql.Connection) -> tuple[Account, ...]:
    """Every data set's standing, by name."""
    rows = connection.execute(sql.select(DATA_SETS).order_by(DATA_SETS.c.name)).all()
    return tuple(_account(connection, row) for row in rows)


def _account(connection: sql.Connection, row: sql.Row[Any]) -> Account:
    grants = counted(connection, row)
    return Account(
        name=row.name,
        digest=row.digest,
        public=row.public,
        total=row.total_epsilon,
        spent=room_of(row, grants).spent,
        planned=accounting.epsilon_of([e for each in grants for e in each.events], row.delta),
        delta=row.delta,
        runs=len(grants),
        unit=row.unit,
    )


def runs(connection: sql.Connection, digest: str) -> tuple[Run, ...]:
    """Every run on one data set, in order."""
    row = account_row(connection, digest)
    if row is None:
        return ()
    grants = counted(connection, row)
    found: list[Run] = []
    before: tuple[Event, ...] = ()
    for number, each in enumerate(grants, start=1):
        before = (*before, *each.events)
        steps = (e.count for e in each.events if e.event == "poisson_subsampled_gaussian")
        found.append(
            Run(
                granted=each.granted,
                settled=each.settled,
                steps=sum(steps),
                epsilon=each.alone,
                spent=room_of(row, grants[:number]).spent,
                planned=accounting.epsilon_of(before, row.delta),
            )
        )
    return tuple(found)


def account_row(connection: sql.Connection, digest: str) -> sql.Row[Any] | None:
    """A data set's row, if it has one."""
    query = sql.select(DATA_SETS).where(DATA_SETS.c.digest == digest)
    return connection.execute(query).one_or_none()


def counted(connection: sql.Connection, account: sql.Row[Any]) -> tuple[Counted, ...]:
    """A data set's grants in order, with what each counts.

    What an earlier version granted has no such numbers yet: they follow from its events.
    """
    rows = connection.execute(
        sql.select(GRANTS).where(GRANTS.c.digest == account.digest).order_by(GRANTS.c.id)
    ).all()
    return tuple(_counted(row, number, account.delta) for number, row in enumerate(rows, start=1))


def _counted(row: sql.Row[Any], number: int, delta: float) -> Counted:
    events = EVENTS.validate_json(row.events)
    kept = row.mu is not None and row.alone is not None
    slack = adaptive.slack_of(number, delta)
    return Counted(
        row=row.id,
        granted=row.granted,
        settled=row.settled,
        events=events,
        mu=row.mu if kept else adaptive.mu_of(events, slack),
        alone=row.alone if kept else accounting.epsilon_of(events, delta),
        kept=kept,
    )


def room_of(account: sql.Row[Any], grants: tuple[Counted, ...]) -> Room:
    """What the data set's total still allows after these grants."""
    return Room(
        name=account.name,
        digest=account.digest,
        public=account.public,
        total=account.total_epsilon,
        delta=account.delta,
        mus=tuple(each.mu for each in grants),
        first=grants[0].alone if grants else 0.0,
    )
