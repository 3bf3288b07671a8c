"""Tables on disk that survive a crash: SQLite with a write-ahead log by default, others by URL."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from safegen.errors import StorageError
from safegen.storage import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


def connect(location: str | Path, tables: sql.MetaData) -> sql.Engine:
    """Open a database and make the tables that are missing.

    Args:
        location: the path of an SQLite file, or an SQLAlchemy URL.
        tables: what it must hold.

    Raises:
        StorageError: it cannot be opened, or is something else.
    """
    url = str(location) if "://" in str(location) else f"sqlite:///{location}"
    try:
        parsed = sql.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in {None, "", ":memory:"}:
            make_folder(Path(str(parsed.database)).parent)
        engine = sql.create_engine(parsed)
        if parsed.get_backend_name() == "sqlite":
            _make_durable(engine)
        tables.create_all(engine)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise StorageError(f"{url} is not a database URL that works here: {error}") from error
    except DBAPIError as error:
        raise StorageError(_sentence(url, error)) from error
    return engine


@contextlib.contextmanager
def writing(engine: sql.Engine) -> Iterator[sql.Connection]:
    """One transaction that sees no other writer: it takes the write lock before it reads.

    Raises:
        StorageError: the database is locked, full, read-only or gone; nothing was written.
    """
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()
    except DBAPIError as error:
        raise StorageError(_sentence(str(engine.url), error)) from error


def _make_durable(engine: sql.Engine) -> None:
    """Write-ahead log, full sync, and transactions begun by us, not by the driver."""

    @sql.event.listens_for(engine, "connect")
    def on_connect(connection: object, record: object) -> None:  # noqa: ARG001
        connection.isolation_level = None  # type: ignore[attr-defined]
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _sentence(url: str, error: DBAPIError) -> str:
    reason = str(error.orig).strip() or type(error.orig).__name__
    return f"cannot use the database {url}: {reason}; nothing was written"
