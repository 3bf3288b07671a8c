"""The data set's spending, over all runs: a grant is written before the first step.

A grant holds the events of the whole plan. When the run ends, the events that really ran take
their place. A run that dies in between has spent what it was granted.

A data set that is not public has a total, 10 by default; a run that would exceed it is refused,
by a rule that holds however runs are chosen (`room`). A public benchmark is recorded all the same,
and not limited.
"""

from __future__ import annotations

import secrets
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql

from safegen.database import connect, reading, writing
from safegen.errors import BudgetRefused, PlanError, StorageError
from safegen.privacy.accounting import accounts
from safegen.privacy.accounting import events as accounting
from safegen.privacy.accounting.accounts import account_row, counted, room_of
from safegen.privacy.accounting.budget_tables import (
    DATA_SETS,
    EVENTS,
    GRANTS,
    TABLES,
    default_location,
    take_over,
)
from safegen.privacy.accounting.plan import default_delta
from safegen.privacy.accounting.room import Room
from safegen.schemas.card import published

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.privacy.accounting.accounts import Account, Counted, Run
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.schemas.card import DataCard
    from safegen.schemas.certificate import Event

DEFAULT_TOTAL = 10.0  # epsilon


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


class Budget:
    """The spending of every data set that one owner keeps."""

    def __init__(self, url: str | Path | None = None) -> None:
        """Open the ledger of spending, or begin one.

        Args:
            url: a path or an SQLAlchemy URL; by default a file in the user's data folder.

        Raises:
            StorageError: it cannot be opened.
        """
        self._engine = connect(default_location() if url is None else url, TABLES, private=True)
        weakref.finalize(self, self._engine.dispose)
        take_over(self._engine)

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
        events = plan.granted_events()
        alone = accounting.epsilon_of(events, plan.delta)
        if not alone <= plan.epsilon:
            raise PlanError(
                f"the plan costs epsilon {alone:.6g}, more than the {plan.epsilon:g} that it says; "
                "choose a larger delta or fewer steps"
            )
        with writing(self._engine) as connection:
            account = _opened(connection, card, grouping)
            _require_unit(account, card, grouping)
            room = room_of(account, _kept(connection, account))
            held = _held(connection, card.digest, token)
            if held is not None:
                return Grant(
                    number=held.id, salt=bytes(account.salt), spent=room.spent, settled=held.settled
                )
            after = room.require(plan)
            row = connection.execute(
                sql.insert(GRANTS).values(
                    digest=card.digest,
                    granted=datetime.now(UTC).isoformat(timespec="seconds"),
                    events=EVENTS.dump_json(events),
                    settled=False,
                    token=token,
                    mu=room.mu_of(events),
                    alone=accounting.epsilon_of(events, account.delta),
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
            account = account_row(connection, card.digest)
            if account is not None and counted(connection, account):
                _require_unit(account, card, grouping)

    def room(self, card: DataCard) -> Room:
        """What a data set's total still allows; the whole of it when nothing was spent yet."""
        with reading(self._engine) as connection:
            account = account_row(connection, card.digest)
            grants = () if account is None else counted(connection, account)
        if account is None or not grants:
            return Room(
                name=card.name,
                digest=card.digest,
                public=card.public,
                total=DEFAULT_TOTAL if account is None else account.total_epsilon,
                delta=default_delta(card.units),
            )
        return room_of(account, grants)

    def require_room(self, plan: PrivacyPlan, card: DataCard) -> None:
        """Find out before any work whether a plan would be refused as things stand.

        Nothing is taken: `grant` asks again, and others may have spent until then.

        Raises:
            BudgetRefused: the data set's total would be exceeded.
        """
        self.room(card).require(plan)

    def knows(self, digest: str, token: str) -> bool:
        """Whether a run, named by its token, took its grant on a data set here."""
        with reading(self._engine) as connection:
            return _held(connection, digest, token) is not None

    def settle(self, number: int, events: tuple[Event, ...]) -> None:
        """Replace what was granted by what really ran, with no less than one event.

        Settling a second time changes nothing, and must be with the same events.

        Raises:
            StorageError: this ledger gave no such grant, or it is settled otherwise.
        """
        ran = EVENTS.dump_json(events)
        with writing(self._engine) as connection:
            changed = connection.execute(
                sql.update(GRANTS)
                .where(
                    GRANTS.c.id == number,
                    sql.or_(GRANTS.c.settled.is_(other=False), GRANTS.c.events == ran),
                )
                .values(events=ran, settled=True, mu=None, alone=None)
            ).rowcount
            if changed != 1 or not events:
                connection.rollback()
                raise StorageError(
                    f"grant {number} cannot be settled so: it is settled otherwise, or nothing "
                    "ran; what was granted stays spent"
                )
            query = sql.select(GRANTS.c.digest).where(GRANTS.c.id == number)
            account = account_row(connection, connection.execute(query).scalar_one())
            assert account is not None
            _kept(connection, account)

    def open(self, card: DataCard, grouping: str | None = None) -> None:
        """Begin a data set's account before its first run, with the default total."""
        with writing(self._engine) as connection:
            _opened(connection, card, grouping)

    def set_total(self, digest: str, epsilon: float) -> None:
        """Let the owner set a data set's total."""
        with writing(self._engine) as connection:
            connection.execute(
                sql.update(DATA_SETS)
                .where(DATA_SETS.c.digest == digest)
                .values(total_epsilon=epsilon)
            )

    def accounts(self) -> tuple[Account, ...]:
        """Every data set's standing, by name."""
        with reading(self._engine) as connection:
            return accounts.accounts(connection)

    def private(self, digest: str) -> bool:
        """Whether a data set that is not public has an account here."""
        with reading(self._engine) as connection:
            account = account_row(connection, digest)
        return account is not None and not account.public

    def salt(self, digest: str) -> bytes | None:
        """What opens the published commitment of a data set; None when it never ran here."""
        with reading(self._engine) as connection:
            account = account_row(connection, digest)
        return None if account is None else bytes(account.salt)

    def knows_as(self, card: DataCard, published_as: str) -> bool:
        """Whether records are those of a published card; of private ones the salt tells.

        Without that salt nothing here can tell, and the answer is no.

        Args:
            card: of the records.
            published_as: the digest on the published card.
        """
        salt = None if card.public else self.salt(card.digest)
        shown = card if salt is None else published(card, salt)
        return shown.digest == published_as

    def runs(self, digest: str) -> tuple[Run, ...]:
        """Every run on one data set, in order."""
        with reading(self._engine) as connection:
            return accounts.runs(connection, digest)


def _opened(connection: sql.Connection, card: DataCard, grouping: str | None) -> sql.Row[Any]:
    """A data set's account, which is made when there is none."""
    row = account_row(connection, card.digest)
    here = DATA_SETS.c.digest == card.digest
    delta = default_delta(card.units)
    if row is None:
        connection.execute(
            sql.insert(DATA_SETS).values(
                digest=card.digest,
                name=card.name,
                public=card.public,
                unit=card.unit,
                grouping=grouping,
                total_epsilon=DEFAULT_TOTAL,
                delta=delta,
                salt=secrets.token_bytes(32),
            )
        )
    elif not counted(connection, row):  # its total was set before the first run, which decides
        connection.execute(
            sql.update(DATA_SETS)
            .where(here)
            .values(name=card.name, unit=card.unit, grouping=grouping, delta=delta)
        )
    elif delta < row.delta:  # it began with fewer units, in an audit
        connection.execute(sql.update(DATA_SETS).where(here).values(delta=delta))
        connection.execute(
            sql.update(GRANTS).where(GRANTS.c.digest == card.digest).values(mu=None, alone=None)
        )
    row = account_row(connection, card.digest)
    assert row is not None
    return row


def _kept(connection: sql.Connection, account: sql.Row[Any]) -> tuple[Counted, ...]:
    """A data set's grants; what each counts is written down where it is not yet."""
    grants = counted(connection, account)
    for each in grants:
        if not each.kept:
            connection.execute(
                sql.update(GRANTS)
                .where(GRANTS.c.id == each.row)
                .values(mu=each.mu, alone=each.alone)
            )
    return grants


def _held(connection: sql.Connection, digest: str, token: str | None) -> sql.Row[Any] | None:
    """The grant that a run has already."""
    if token is None:
        return None
    query = sql.select(GRANTS).where(GRANTS.c.token == token, GRANTS.c.digest == digest)
    return connection.execute(query).one_or_none()


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
