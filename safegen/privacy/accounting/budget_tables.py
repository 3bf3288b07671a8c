"""The tables of a budget ledger, and what earlier versions of it lacked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import platformdirs
import sqlalchemy as sql
from pydantic import TypeAdapter

from safegen.database import reading, writing
from safegen.schemas.certificate import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = sql.MetaData()
DATA_SETS = sql.Table(
    "data_sets",
    TABLES,
    sql.Column("digest", sql.String, primary_key=True),
    sql.Column("name", sql.String, nullable=False),
    sql.Column("public", sql.Boolean, nullable=False),
    sql.Column("total_epsilon", sql.Float, nullable=False),
    sql.Column("delta", sql.Float, nullable=False),
    sql.Column("salt", sql.LargeBinary, nullable=False),
    sql.Column("unit", sql.String, nullable=False, server_default="record"),
    sql.Column("grouping", sql.String, nullable=True),
)
GRANTS = sql.Table(
    "grants",
    TABLES,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("digest", sql.ForeignKey("data_sets.digest"), nullable=False),
    sql.Column("granted", sql.String, nullable=False),
    sql.Column("events", sql.LargeBinary, nullable=False),
    sql.Column("settled", sql.Boolean, nullable=False, default=False),
    sql.Column("token", sql.String, nullable=True),
    sql.Column("mu", sql.Float, nullable=True),  # both follow from the events, and are kept
    sql.Column("alone", sql.Float, nullable=True),  # because they take a second to compute
)
EVENTS: TypeAdapter[tuple[Event, ...]] = TypeAdapter(tuple[Event, ...])

# A ledger of an earlier version knows no units, all being records, no tokens, and no filter.
_ADDED = (
    ("data_sets", "unit", "VARCHAR NOT NULL DEFAULT 'record'"),
    ("data_sets", "grouping", "VARCHAR"),
    ("grants", "token", "VARCHAR"),
    ("grants", "mu", "DOUBLE PRECISION"),
    ("grants", "alone", "DOUBLE PRECISION"),
)


def take_over(engine: sql.Engine) -> None:
    """Add the columns that a ledger of an earlier version lacks."""
    with reading(engine) as connection:
        missing = list(_missing(connection))
    if not missing:
        return
    with writing(engine) as connection:
        for table, column, kind in _missing(connection):  # somebody may have been faster
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def _missing(connection: sql.Connection) -> Iterator[tuple[str, str, str]]:
    for table, column, kind in _ADDED:
        if column not in {held["name"] for held in sql.inspect(connection).get_columns(table)}:
            yield table, column, kind


def default_location() -> str:
    """The user's own budget ledger, unless SAFEGEN_BUDGET names another."""
    folder = platformdirs.user_data_path("safegen")
    return os.environ.get("SAFEGEN_BUDGET") or str(folder / "budget.db")
