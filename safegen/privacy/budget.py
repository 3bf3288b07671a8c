"""The data set's spending, over all runs: a grant is written before the first step.

A grant holds the events of the whole plan. When the run ends, the events that really ran take
their place. A run that dies in between has spent what it was granted.

A data set that is not public has a total, 10 by default; a run that would exceed it is refused.
A public benchmark is recorded all the same, and not limited.
"""

from __future__ import annotations

import os
import secrets
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import platformdirs
import sqlalchemy as sql
from pydantic import TypeAdapter

from safegen.database import connect, reading, writing
from safegen.errors import BudgetRefused, PlanError, StorageError
from safegen.privacy import accounting
from safegen.privacy.plan import default_delta
from safegen.records.certificate import Event

if TYPE_CHECKING:
    from safegen.privacy.plan import PrivacyPlan
    from safegen.records.card import DataCard

DEFAULT_TOTAL = 10.0  # epsilon

_tables = sql.MetaData()
_data_sets = sql.Table(
    "data_sets",
    _tables,
    sql.Column("digest", sql.String, primary_key=True),
    sql.Column("name", sql.String, nullable=False),
    sql.Column("public", sql.Boolean, nullable=False),
    sql.Column("total_epsilon", sql.Float, nullable=False),
    sql.Column("delta", sql.Float, nullable=False),
    sql.Column("salt", sql.LargeBinary, nullable=False),
    sql.Column("unit", sql.String, nullable=False, server_default="record"),
    sql.Column("grouping", sql.String, nullable=True),
)
_grants = sql.Table(
    "grants",
    _tables,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("digest", sql.ForeignKey("data_sets.digest"), nullable=False),
    sql.Column("granted", sql.String, nullable=False),
    sql.Column("events", sql.LargeBinary, nullable=False),
    sql.Column("settled", sql.Boolean, nullable=False, default=False),
    sql.Column("token", sql.String, nullable=True),
)
_EVENTS: TypeAdapter[tuple[Event, ...]] = TypeAdapter(tuple[Event, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave to run one plan once.

    Attributes:
        number: of the grant in its ledger.
        salt: opens the published card's commitment; secret.
        spent: epsilon of the data set over all runs, this one included as planned.
        settled: whether the run that holds it was finished before.
    """

    number: int
    salt: bytes
    spent: float
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How one data set stands: its total, what all runs composed have spent, how many ran."""

    name: str
    digest: str
    public: bool
    total: float
    spent: float
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
        spent: what all runs until then cost together.
    """

    granted: str
    settled: bool
    steps: int
    epsilon: float
    spent: float


class Budget:
    """The spending of every data set that one owner keeps."""

    def __init__(self, url: str | None = None) -> None:
        """Open the ledger of spending, or begin one.

        Args:
            url: a path or an SQLAlchemy URL; by default a file in the user's data folder.

        Raises:
            StorageError: it cannot be opened.
        """
        self._engine = connect(default_location() if url is None else url, _tables, private=True)
        weakref.finalize(self, self._engine.dispose)
        _take_over(self._engine)

    def grant(
        self,
        plan: PrivacyPlan,
        card: DataCard,
        *,
        grouping: str | None = None,
        token: str | None = None,
    ) -> Grant:
        """Take what the plan needs, before its first step.

        Args:
            plan: what is going to run.
            card: of the data set.
            grouping: digest of which group each record is in; None when records are units.
            token: names the run; asking again with the same token gives the grant that it has.

        Raises:
            BudgetRefused: the data set's total would be exceeded, or its spending is counted by
                another unit; nothing is taken.
            PlanError: the plan costs more than it says.
        """
        alone = accounting.epsilon_of(plan.granted_events(), plan.delta)
        if not alone <= plan.epsilon:
            raise PlanError(
                f"the plan costs epsilon {alone:.6g}, more than the {plan.epsilon:g} that it says; "
                "choose a larger delta or fewer steps"
            )
        with writing(self._engine) as connection:
            account = self._open_account(connection, card, grouping)
            _require_unit(account, card, grouping)
            spent_events = self._spent(connection, card.digest)
            held = self._held(connection, card.digest, token)
            if held is not None:
                return Grant(
                    number=held.id,
                    salt=bytes(account.salt),
                    spent=accounting.epsilon_of(spent_events, account.delta),
                    settled=held.settled,
                )
            after = _with(account, spent_events, plan)
            row = connection.execute(
                sql.insert(_grants).values(
                    digest=card.digest,
                    granted=datetime.now(UTC).isoformat(timespec="seconds"),
                    events=_EVENTS.dump_json(plan.granted_events()),
                    settled=False,
                    token=token,
                )
            )
            number = row.inserted_primary_key
            assert number is not None
            return Grant(number=int(number[0]), salt=bytes(account.salt), spent=after)

    def require_unit(self, card: DataCard, grouping: str | None) -> None:
        """Find out before any work whether a data set's spending is counted by another unit.

        Raises:
            BudgetRefused: it is.
        """
        with reading(self._engine) as connection:
            account = self._account(connection, card)
        if account is not None:
            _require_unit(account, card, grouping)

    def require_room(self, plan: PrivacyPlan, card: DataCard) -> None:
        """Find out before any work whether a plan would be refused as things stand.

        Nothing is taken: `grant` asks again, and others may have spent until then.

        Raises:
            BudgetRefused: the data set's total would be exceeded.
        """
        with reading(self._engine) as connection:
            account = self._account(connection, card)
            if account is not None:
                _with(account, self._spent(connection, card.digest), plan)

    def knows(self, digest: str, token: str) -> bool:
        """Whether a run, named by its token, took its grant on a data set here."""
        with reading(self._engine) as connection:
            return self._held(connection, digest, token) is not None

    def settle(self, number: int, events: tuple[Event, ...]) -> None:
        """Replace what was granted by what really ran, with no less than one event.

        Settling a second time changes nothing, and must be with the same events.

        Raises:
            StorageError: this ledger gave no such grant, or it is settled otherwise.
        """
        ran = _EVENTS.dump_json(events)
        with writing(self._engine) as connection:
            changed = connection.execute(
                sql.update(_grants)
                .where(
                    _grants.c.id == number,
                    sql.or_(_grants.c.settled.is_(other=False), _grants.c.events == ran),
                )
                .values(events=ran, settled=True)
            ).rowcount
            if changed != 1 or not events:
                connection.rollback()
                raise StorageError(
                    f"grant {number} cannot be settled so: it is settled otherwise, or nothing "
                    "ran; what was granted stays spent"
                )

    def set_total(self, digest: str, epsilon: float) -> None:
        """Let the owner set a data set's total."""
        with writing(self._engine) as connection:
            connection.execute(
                sql.update(_data_sets)
                .where(_data_sets.c.digest == digest)
                .values(total_epsilon=epsilon)
            )

    def accounts(self) -> tuple[Account, ...]:
        """Every data set's standing, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(sql.select(_data_sets).order_by(_data_sets.c.name)).all()
            return tuple(
                Account(
                    name=row.name,
                    digest=row.digest,
                    public=row.public,
                    total=row.total_epsilon,
                    spent=accounting.epsilon_of(self._spent(connection, row.digest), row.delta),
                    delta=row.delta,
                    runs=self._runs(connection, row.digest),
                    unit=row.unit,
                )
                for row in rows
            )

    def salt(self, digest: str) -> bytes | None:
        """What opens the published commitment of a data set; None when it never ran here."""
        with reading(self._engine) as connection:
            query = sql.select(_data_sets.c.salt).where(_data_sets.c.digest == digest)
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else bytes(found)

    def runs(self, digest: str) -> tuple[Run, ...]:
        """Every run on one data set, in order."""
        with reading(self._engine) as connection:
            query = sql.select(_data_sets.c.delta).where(_data_sets.c.digest == digest)
            delta = float(connection.execute(query).scalar_one())
            rows = connection.execute(
                sql.select(_grants).where(_grants.c.digest == digest).order_by(_grants.c.id)
            ).all()
        runs: list[Run] = []
        before: tuple[Event, ...] = ()
        for row in rows:
            events = _EVENTS.validate_json(row.events)
            before = (*before, *events)
            runs.append(
                Run(
                    granted=row.granted,
                    settled=row.settled,
                    steps=sum(e.count for e in events if e.event == "poisson_subsampled_gaussian"),
                    epsilon=accounting.epsilon_of(events, delta),
                    spent=accounting.epsilon_of(before, delta),
                )
            )
        return tuple(runs)

    def _open_account(
        self, connection: sql.Connection, card: DataCard, grouping: str | None
    ) -> sql.Row[Any]:
        row = self._account(connection, card)
        if row is None:
            connection.execute(
                sql.insert(_data_sets).values(
                    digest=card.digest,
                    name=card.name,
                    public=card.public,
                    unit=card.unit,
                    grouping=grouping,
                    total_epsilon=DEFAULT_TOTAL,
                    delta=default_delta(card.units),
                    salt=secrets.token_bytes(32),
                )
            )
            row = self._account(connection, card)
        elif default_delta(card.units) < row.delta:  # it began with fewer units, in an audit
            connection.execute(
                sql.update(_data_sets)
                .where(_data_sets.c.digest == card.digest)
                .values(delta=default_delta(card.units))
            )
            row = self._account(connection, card)
        assert row is not None
        return row

    def _account(self, connection: sql.Connection, card: DataCard) -> sql.Row[Any] | None:
        """A data set's row, if it has one."""
        query = sql.select(_data_sets).where(_data_sets.c.digest == card.digest)
        return connection.execute(query).one_or_none()

    def _held(
        self, connection: sql.Connection, digest: str, token: str | None
    ) -> sql.Row[Any] | None:
        """The grant that a run has already."""
        if token is None:
            return None
        query = sql.select(_grants).where(_grants.c.token == token, _grants.c.digest == digest)
        return connection.execute(query).one_or_none()

    def _spent(self, connection: sql.Connection, digest: str) -> tuple[Event, ...]:
        rows = connection.execute(sql.select(_grants.c.events).where(_grants.c.digest == digest))
        return tuple(event for (data,) in rows for event in _EVENTS.validate_json(data))

    def _runs(self, connection: sql.Connection, digest: str) -> int:
        query = sql.select(sql.func.count()).where(_grants.c.digest == digest)
        return int(connection.execute(query).scalar_one())


def _require_unit(account: sql.Row[Any], card: DataCard, grouping: str | None) -> None:
    """What was spent by another unit, or under other groups, cannot be added up.

    Raises:
        BudgetRefused: it was.
    """
    if account.unit != card.unit:
        begun = "without --groups" if account.unit == "record" else "with --groups"
        raise BudgetRefused(
            f"{card.name} has spent by {account.unit} and cannot spend by {card.unit}, because the "
            f"two do not add up; train {begun} as before, or let its owner begin another ledger "
            "with --budget, and add both guarantees when telling what was spent"
        )
    if account.grouping != grouping:
        raise BudgetRefused(
            f"{card.name} has spent under another grouping of its records, and the two do not add "
            "up; use the first one's file, or let its owner begin another ledger with --budget"
        )


def _with(account: sql.Row[Any], spent: tuple[Event, ...], plan: PrivacyPlan) -> float:
    """What a data set has spent once a plan has run, too.

    Raises:
        BudgetRefused: that is more than its total.
    """
    after = accounting.epsilon_of((*spent, *plan.granted_events()), account.delta)
    if not account.public and after > account.total_epsilon:
        before = accounting.epsilon_of(spent, account.delta)
        raise BudgetRefused(
            f"{account.name} has a total budget of epsilon {account.total_epsilon:g} and has "
            f"spent {before:.4g}; this run would bring it to {after:.4g}: an --epsilon of "
            f"about {max(account.total_epsilon - before, 0):.2g} fits, or let its owner "
            f"raise the total with `safegen budget set {account.digest[:19]}`"
        )
    return after


def _take_over(engine: sql.Engine) -> None:
    """A ledger of an earlier version knows no units, all being records, and no tokens."""
    added = (
        ("data_sets", "unit", "VARCHAR NOT NULL DEFAULT 'record'"),
        ("data_sets", "grouping", "VARCHAR"),
        ("grants", "token", "VARCHAR"),
    )
    for table, column, kind in added:
        with reading(engine) as connection:
            known = _has_column(connection, table, column)
        if known:
            continue
        with writing(engine) as connection:
            if not _has_column(connection, table, column):  # nobody was faster
                connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def _has_column(connection: sql.Connection, table: str, column: str) -> bool:
    return column in {held["name"] for held in sql.inspect(connection).get_columns(table)}


def default_location() -> str:
    """The user's own budget ledger, unless SAFEGEN_BUDGET names another."""
    folder = platformdirs.user_data_path("safegen")
    return os.environ.get("SAFEGEN_BUDGET") or str(folder / "budget.db")
