"""Tables on disk that survive a crash: SQLite with a write-ahead log by default, others by URL.

Writers queue, they do not collide: on SQLite for its write lock, on PostgreSQL for an advisory
lock that every writer of safegen takes before it reads. A lock of a table would do as much, and
would need rights to rewrite it; to keep a ledger, the rights to read and to insert are enough.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from safegen import storage
from safegen.errors import StorageError
from safegen.location import locate, without_secret
from safegen.storage import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

POSTGRESQL = "postgresql+psycopg"
# The same without a driver; the second is libpq's own.
DRIVERLESS_SCHEMES = ("postgresql", "postgres")
WRITER_LOCK_KEY = int.from_bytes(b"safegen")  # the advisory lock's key on PostgreSQL
AS_BYTES = {"safegen_as_bytes": True}  # a query's option: large binary values come as they are
WRITER_TIMEOUT_MS = 30_000  # milliseconds that a writer waits for the others
_DURABLY = """
    SELECT set_config('lock_timeout', :patience, true),
           CASE current_setting('synchronous_commit')
           WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END
"""


def connect(location: str | Path, tables: sql.MetaData, *, private: bool = False) -> sql.Engine:
    """Open a database to write, and make the tables that are missing.

    Args:
        location: the path of an SQLite file, or an SQLAlchemy URL; see `location.locate`.
        tables: what it must hold.
        private: whether a new file is for its owner's eyes only.

    Raises:
        StorageError: it cannot be opened, or is something else.
    """
    place = locate(location)
    engine = _engine(_url(place))
    if isinstance(place, Path):
        _begin(place, mode=0o600 if private else 0o644)
        _make_durable(engine)
        _require_its_file(engine, place)
    try:
        with reading(engine) as connection:
            held = sql.inspect(connection)
            missing = [name for name in tables.tables if not held.has_table(name)]
        if missing:  # whoever may only add rows can use tables that are there
            _make(engine, tables, missing)
    except StorageError:
        engine.dispose()
        raise
    return engine


def _make(engine: sql.Engine, tables: sql.MetaData, missing: Sequence[str]) -> None:
    """Make the tables that are missing: all, or those that a new version added."""
    try:
        with writing(engine) as connection:
            tables.create_all(connection)
    except StorageError as error:
        if len(missing) == len(tables.tables):
            raise
        raise StorageError(
            f"{error}; it lacks tables of this version ({', '.join(missing)}), which its owner "
            "makes by opening it once, and then grants"
        ) from error


def connect_to_read(location: str | Path) -> sql.Engine:
    """Open a database that is only looked at; nothing in it or beside it is changed.

    Args:
        location: the path of an SQLite file, or an SQLAlchemy URL; see `location.locate`.

    Raises:
        StorageError: there is none, or the URL does not work here.
    """
    place = locate(location)
    if not isinstance(place, Path):
        return _engine(_url(place))
    if not place.is_file():
        raise StorageError(f"no database at {place}; name the one that was written")
    how = {"mode": "ro", "uri": "true"}
    if not os.access(place.parent, os.W_OK) and not log_of(place).exists():
        how["immutable"] = "1"  # there is no place for the index of a write-ahead log, and no log
    uri = f"file:{quote(os.fsencode(place.resolve()))}"  # SQLite reads its URI by the letter
    return _engine(sql.URL.create("sqlite", database=uri, query=how))


class InDoubtError(StorageError):
    """A server went away while it was told to commit: what was written may be there, or not."""


@contextlib.contextmanager
def copied(location: str | Path, to: str | Path) -> Iterator[Path]:
    """A copy of an SQLite database at one moment, while others read and write it.

    Args:
        location: the database.
        to: the copy's name, which nothing may have yet.

    Yields:
        The copy under a name of its own, to be looked at; after that, and only when nothing was
        raised, it is given its name. It is one file, complete without a write-ahead log.

    Raises:
        StorageError: the database is on a server or not there, or the copy cannot be written.
    """
    source, target = locate(location), locate(to)
    if not isinstance(source, Path):
        raise StorageError(f"{without_secret(source)} is on a server; back it up with pg_dump")
    if not isinstance(target, Path):
        raise StorageError(f"{without_secret(target)} is on a server; name a file to copy to")
    engine = connect_to_read(source)
    try:
        with storage.new_file(target, mode=source.stat().st_mode & 0o777) as path:
            with _explained(engine), engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert isinstance(raw, sqlite3.Connection)
                _copy(raw, path)
            yield path
    except sqlite3.Error as error:
        raise StorageError(f"cannot copy {source} to {target}: {error}; nothing is kept") from error
    finally:
        engine.dispose()


def holds_table(engine: sql.Engine, name: str) -> bool:
    """Whether a database has a table of that name."""
    with reading(engine) as connection:
        return sql.inspect(connection).has_table(name)


def log_of(path: Path) -> Path:
    """The write-ahead log of an SQLite file: what was committed and is not in the file yet."""
    return path.with_name(f"{path.name}-wal")


def _copy(source: sqlite3.Connection, path: Path) -> None:
    """Copy in one step, which sees one moment, and leave one file that needs no other."""
    with contextlib.closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        (said,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(said)


@contextlib.contextmanager
def writing(engine: sql.Engine) -> Iterator[sql.Connection]:
    """One transaction that sees no other writer: it takes the write lock before it reads.

    Raises:
        StorageError: the database is locked, full, read-only or gone; nothing was written.
        InDoubtError: the one case where that cannot be known.
    """
    with _explained(engine), engine.connect() as connection:
        _lock(connection)
        yield connection
        try:
            connection.commit()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise InDoubtError(
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
            connection.execute(sql.text(_DURABLY), {"patience": str(WRITER_TIMEOUT_MS)})
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(WRITER_LOCK_KEY)))
        case _:  # of two writers who read the same, one is refused
            connection.execution_options(isolation_level="SERIALIZABLE")


def _url(place: Path | str) -> sql.URL:
    if isinstance(place, Path):
        return sql.URL.create("sqlite", database=str(place))
    try:
        url = sql.make_url(place)
    except (ArgumentError, ValueError) as error:
        raise StorageError(
            f"{without_secret(place)} is not a database URL that works here: {error}"
        ) from error
    return url.set(drivername=POSTGRESQL) if url.drivername in DRIVERLESS_SCHEMES else url


def _engine(url: sql.URL) -> sql.Engine:
    try:  # a server may have been started anew since the last time
        engine = sql.create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        way_out = "; pip install 'safegen[postgres]'" if url.drivername == POSTGRESQL else ""
        raise StorageError(
            f"{url.render_as_string()} is not a database URL that works here: {error}{way_out}"
        ) from error
    if url.drivername == POSTGRESQL:
        sql.event.listen(engine, "before_cursor_execute", _in_binary)
    return engine


def _in_binary(connection: object, cursor: Any, *said: Any) -> None:  # noqa: ANN401, ARG001
    """Have psycopg get bytes where a query wants that, and not twice as many digits."""
    *_, context, _ = said
    if context.execution_options.keys() >= AS_BYTES.keys():
        cursor.format = 1


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
        connection.execute(f"PRAGMA busy_timeout={WRITER_TIMEOUT_MS}")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")


def _require_its_file(engine: sql.Engine, path: Path) -> None:
    """Refuse to go on in a file that was removed or replaced, as SQLite would without a word."""

    def identity() -> tuple[int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    opened = identity()

    @sql.event.listens_for(engine, "do_connect")
    @sql.event.listens_for(engine, "checkout")
    def require_it(*_: object) -> None:
        if identity() != opened:
            raise StorageError(
                f"the database {path} was removed or replaced since it was opened; nothing was "
                "written: put it back, and open it again"
            )


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Use the write-ahead log; for this alone, SQLite does not wait for others by itself."""
    until = time.monotonic() + WRITER_TIMEOUT_MS / 1000
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
    if url.get_backend_name() != "sqlite":
        return url.render_as_string().partition("?")[0]
    name = str(url.database)
    return unquote(name.removeprefix("file:")) if "uri" in url.query else name
