"""Tables on disk that survive a crash: SQLite with a write-ahead log by default, others by URL."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from safegen.errors import StorageError
from safegen.storage import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


def connect(location: str | Path, tables: sql.MetaData) -> sql.Engine:
    """Open a database to write, and make the tables that are missing.

    Args:
        location: the path of an SQLite file, or an SQLAlchemy URL.
        tables: what it must hold.

    Raises:
        StorageError: it cannot be opened, or is something else.
    """
    engine = _engine(_url(location))
    if engine.url.get_backend_name() == "sqlite":
        if engine.url.database not in {None, "", ":memory:"}:
            make_folder(Path(str(engine.url.database)).parent)
        _make_durable(engine)
    try:
        tables.create_all(engine)
    except DBAPIError as error:
        raise StorageError(_sentence(engine.url, error)) from error
    return engine


def connect_to_read(location: str | Path) -> sql.Engine:
    """Open a database that is only looked at; nothing in it or beside it is changed.

    Args:
        location: the path of an SQLite file, or an SQLAlchemy URL.

    Raises:
        StorageError: there is none, or the URL does not work here.
    """
    url = _url(location)
    if url.get_backend_name() != "sqlite":
        return _engine(url)
    path = Path(str(url.database))
    if not path.is_file():
        raise StorageError(f"no database at {path}; name the one that was written")
    still = "" if os.access(path.parent, os.W_OK) else "&immutable=1"  # no place for a WAL index
    return _engine(sql.make_url(f"sqlite:///file:{path.resolve()}?mode=ro{still}&uri=true"))


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
        raise StorageError(_sentence(engine.url, error)) from error


@contextlib.contextmanager
def reading(engine: sql.Engine) -> Iterator[sql.Connection]:
    """A connection to read through.

    Raises:
        StorageError: the database is something else, or gone.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise StorageError(_sentence(engine.url, error)) from error


def _url(location: str | Path) -> sql.URL:
    text = str(location) if "://" in str(location) else f"sqlite:///{location}"
    try:
        return sql.make_url(text)
    except ArgumentError as error:
        raise StorageError(f"{text} is not a database URL that works here: {error}") from error


def _engine(url: sql.URL) -> sql.Engine:
    try:
        return sql.create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StorageError(f"{url} is not a database URL that works here: {error}") from error


def _make_durable(engine: sql.Engine) -> None:
    """Write-ahead log, full sync, and transactions begun by us, not by the driver."""

    @sql.event.listens_for(engine, "connect")
    def on_connect(connection: object, record: object) -> None:  # noqa: ARG001
        connection.isolation_level = None  # type: ignore[attr-defined]
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _sentence(url: sql.URL, error: DBAPIError) -> str:
    reason = str(error.orig).strip() or type(error.orig).__name__
    return f"cannot use the database {url.render_as_string()}: {reason}; nothing was written"
