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


def connect(location: str | Path, tables: sql.MetaData, *, private: bool = False) -> sql.Engine:
    """Open a database to write, and make the tables that are missing.

    Args:
        location: the path of an SQLite file, or an SQLAlchemy URL.
        tables: what it must hold.
        private: whether a new file is for its owner's eyes only.

    Raises:
        StorageError: it cannot be opened, or is something else.
    """
    engine = _engine(_url(location))
    if engine.url.get_backend_name() == "sqlite":
        name = engine.url.database or ":memory:"
        if name != ":memory:" and not name.startswith("file:"):  # SQLite's own URIs are its own
            _begin(Path(name), mode=0o600 if private else 0o644)
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
            else:  # of two writers who read the same, one is refused
                connection.execution_options(isolation_level="SERIALIZABLE")
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


def _begin(path: Path, *, mode: int) -> None:
    """Make an empty file with its permissions before SQLite makes it with its own."""
    make_folder(path.parent)
    with contextlib.suppress(OSError):  # SQLite will say what is wrong, or find it there
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, mode))


def _make_durable(engine: sql.Engine) -> None:
    """Write-ahead log, full sync, and transactions begun by us, not by the driver."""

    @sql.event.listens_for(engine, "connect")
    def on_connect(connection: object, record: object) -> None:  # noqa: ARG001
        connection.isolation_level = None  # type: ignore[attr-defined]
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _sentence(url: sql.URL, error: DBAPIError) -> str:
    reason = str(error.orig).strip() or type(error.orig).__name__
    name = url.database if url.get_backend_name() == "sqlite" else url.render_as_string()
    path = str(name).removeprefix("file:").partition("?")[0]
    return f"cannot use the database {path}: {reason}; nothing was written"
