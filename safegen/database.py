"""Tables on disk that survive a crash: SQLite with a write-ahead log by default, others by URL.

Writers queue, they do not collide: on SQLite for its write lock, on PostgreSQL for an advisory
lock that every writer of safegen takes before it reads. A lock of a table would do as much, and
would need rights to rewrite it; to keep a ledger, the rights to read and to insert are enough.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from safegen.errors import StorageError
from safegen.storage import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

POSTGRESQL = "postgresql+psycopg"
WRITERS = int.from_bytes(b"safegen")  # the advisory lock's key on PostgreSQL
PATIENCE = 30_000  # milliseconds that a writer waits for the others
_DURABLY = """
    SELECT set_config('lock_timeout', :patience, true),
           CASE current_setting('synchronous_commit')
           WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
"""


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
        with reading(engine) as connection:
            held = sql.inspect(connection)
            complete = all(held.has_table(name) for name in tables.tables)
        if not complete:  # whoever may only add rows can use tables that are there
            with writing(engine) as connection:
                tables.create_all(connection)
    except StorageError:
        engine.dispose()
        raise
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
        StorageError: the database is locked, full, read-only or gone; nothing was written, or in
            the one case where that cannot be known, the sentence says so.
    """
    with _explained(engine), engine.connect() as connection:
        _lock(connection)
        yield connection
        try:
            connection.commit()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StorageError(
                    f"the database {_name(engine.url)} went away while it was writing; see whether "
                    "it holds what was to be written before you write it again"
                ) from error
            raise


@contextlib.contextmanager
def reading(engine: sql.Engine) -> Iterator[sql.Connection]:
    """A connection to read through, which sees one moment of the database however long it reads.

    Raises:
        StorageError: the database is something else, or gone.
    """
    with _explained(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        elif engine.dialect.name == "postgresql":
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield connection


@contextlib.contextmanager
def _explained(engine: sql.Engine) -> Iterator[None]:
    """Every way in which a database fails, in one sentence."""
    try:
        yield
    except DBAPIError as error:
        raise StorageError(_sentence(engine.url, error)) from error
    except PoolTimeoutError as error:
        raise StorageError(
            f"cannot use the database {_name(engine.url)}: too many threads wait for it; nothing "
            "was written"
        ) from error


def _lock(connection: sql.Connection) -> None:
    """Wait until no other writer is left, and keep it so until the transaction ends."""
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        case "postgresql":  # each statement then sees all that was committed before
            connection.execution_options(isolation_level="READ COMMITTED")
            connection.execute(sql.text(_DURABLY), {"patience": str(PATIENCE)})
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(WRITERS)))
        case _:  # of two writers who read the same, one is refused
            connection.execution_options(isolation_level="SERIALIZABLE")


def _url(location: str | Path) -> sql.URL:
    text = str(location) if "://" in str(location) else f"sqlite:///{location}"
    try:
        url = sql.make_url(text)
    except (ArgumentError, ValueError) as error:
        shown = re.sub(r":[^:/]*@", ":***@", text)
        raise StorageError(f"{shown} is not a database URL that works here: {error}") from error
    return url.set(drivername=POSTGRESQL) if url.drivername == "postgresql" else url


def _engine(url: sql.URL) -> sql.Engine:
    try:  # a server may have been started anew since the last time
        return sql.create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        way_out = "; pip install 'safegen[postgres]'" if url.drivername == POSTGRESQL else ""
        raise StorageError(
            f"{url.render_as_string()} is not a database URL that works here: {error}{way_out}"
        ) from error


def _begin(path: Path, *, mode: int) -> None:
    """Make an empty file with its permissions before SQLite makes it with its own."""
    make_folder(path.parent)
    with contextlib.suppress(OSError):  # SQLite will say what is wrong, or find it there
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, mode))


def _make_durable(engine: sql.Engine) -> None:
    """Write-ahead log, full sync, and transactions begun by us, not by the driver."""

    @sql.event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={PATIENCE}")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Use the write-ahead log; for this alone, SQLite does not wait for others by itself."""
    until = time.monotonic() + PATIENCE / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _sentence(url: sql.URL, error: DBAPIError) -> str:
    said = " ".join(str(error.orig).split()) or type(error.orig).__name__
    return f"cannot use the database {_name(url)}: {said}; nothing was written"


def _name(url: sql.URL) -> str:
    """A database's path, or its URL without the password."""
    name = url.database if url.get_backend_name() == "sqlite" else url.render_as_string()
    return str(name).removeprefix("file:").partition("?")[0]
