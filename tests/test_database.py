"""Databases that are locked, full, read-only, gone or somebody else's: one sentence, no harm."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import sqlalchemy as sql

from safegen import database
from safegen.errors import StorageError

TABLES = sql.MetaData()
NOTES = sql.Table("notes", TABLES, sql.Column("text", sql.String, primary_key=True))


def note(engine, text):
    with database.writing(engine) as connection:
        connection.execute(sql.insert(NOTES).values(text=text))


def notes(engine):
    with database.reading(engine) as connection:
        return sorted(connection.execute(sql.select(NOTES.c.text)).scalars())


@pytest.fixture
def engine(url):
    engine = database.connect(url, TABLES)
    yield engine
    engine.dispose()


def test_what_is_written_is_there_for_everybody(engine, url):
    note(engine, "one")
    other = database.connect_to_read(url)
    assert notes(other) == ["one"]
    other.dispose()


def test_a_transaction_that_fails_leaves_nothing(engine):
    with contextlib.suppress(ZeroDivisionError), database.writing(engine) as connection:
        connection.execute(sql.insert(NOTES).values(text="half"))
        raise ZeroDivisionError
    with pytest.raises(StorageError, match="nothing was written"):
        note(engine, None)
    assert notes(engine) == []


def test_a_reader_sees_one_moment(engine):
    with database.reading(engine) as connection:
        before = connection.execute(sql.select(NOTES)).all()
        note(engine, "later")
        assert connection.execute(sql.select(NOTES)).all() == before == []
    assert notes(engine) == ["later"]


def test_a_writer_sees_what_was_committed_while_it_waited(engine):
    """A count that is read under the lock is right, however long the lock was waited for."""
    import threading

    inside, go = threading.Event(), threading.Event()

    def first():
        with database.writing(engine) as connection:
            inside.set()
            go.wait(10)
            connection.execute(sql.insert(NOTES).values(text="first"))

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    threading.Timer(0.3, go.set).start()
    with database.writing(engine) as connection:
        assert connection.execute(sql.select(NOTES.c.text)).scalars().all() == ["first"]
    thread.join()


def test_a_lock_that_is_not_given_up_is_named(engine, url, monkeypatch):
    monkeypatch.setattr(database, "WRITER_TIMEOUT_MS", 100)
    hurried = database.connect(url, TABLES)
    with (
        database.writing(engine),
        pytest.raises(StorageError, match=r"lock.*nothing was written"),
        database.writing(hurried),
    ):
        pass
    hurried.dispose()
    note(engine, "after")
    assert notes(engine) == ["after"]


def test_a_full_database_keeps_what_it_had(sqlite_url):
    engine = database.connect(sqlite_url, TABLES)
    note(engine, "small")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=8")
    with pytest.raises(StorageError, match="full; nothing was written"):
        note(engine, "x" * 100_000)
    assert notes(engine) == ["small"]
    note(engine, "another")
    engine.dispose()
    assert notes(database.connect_to_read(sqlite_url)) == ["another", "small"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can make a file system")
def test_a_full_disk_keeps_what_it_had(tmp_path):
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("file systems cannot be made here")
    try:
        engine = database.connect(tmp_path / "notes.db", TABLES)
        note(engine, "small")
        with pytest.raises(StorageError, match="nothing was written"):
            note(engine, "x" * 500_000)
        assert notes(engine) == ["small"]
        engine.dispose()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
def test_a_folder_that_may_only_be_read_is_read_and_not_written():
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are for one user only
        place = Path(name)
        engine = database.connect(place / "notes.db", TABLES)
        note(engine, "one")
        engine.dispose()
        place.chmod(0o555)
        (place / "notes.db").chmod(0o444)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setuid(65534)
                said = [str(notes(database.connect_to_read(place / "notes.db")))]
                try:
                    note(database.connect(place / "notes.db", TABLES), "two")
                except StorageError as error:
                    said.append(str(error))
                os.write(write, "\n".join(said).encode())
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        os.close(write)
        with os.fdopen(read) as answer:
            found, refused = answer.read().splitlines()
        assert found == "['one']"
        assert refused.startswith(f"cannot use the database {place / 'notes.db'}: ")
        assert refused.endswith("nothing was written")
        assert [path.name for path in place.iterdir()] == ["notes.db"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense://x", "nonsense://x is not a database URL"),
        ("postgresql+nodriver://me:secret@h/db", r"postgresql\+nodriver://me:\*\*\*@h/db is not a"),
        ("postgresql://me:secret@h:port/db", r"me:\*\*\*@h:port/db is not a database URL"),
    ],
)
def test_a_url_that_does_not_work_is_named_without_its_secret(url, words):
    with pytest.raises(StorageError, match=words) as refused:
        database.connect(url, TABLES)
    assert "secret" not in str(refused.value)


def test_a_missing_driver_names_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match=r"pip install 'safegen\[postgres\]'"):
        database.connect("postgresql://localhost/x", TABLES)


def test_a_server_that_is_not_there_is_one_sentence_without_its_secret():
    pytest.importorskip("psycopg", reason="no driver: pip install 'safegen[postgres]'")
    with pytest.raises(StorageError) as refused:
        database.connect("postgresql://me:secret@127.0.0.1:1/db", TABLES)
    said = str(refused.value)
    assert "me:***@127.0.0.1:1/db" in said
    assert "\n" not in said
    assert "secret" not in said


def test_several_who_begin_one_database_wait_for_each_other(tmp_path):
    """SQLite turns to its write-ahead log at once or not at all, whatever its time-out."""
    failed = []

    def begin(path, together):
        together.wait()
        try:
            database.connect(path, sql.MetaData()).dispose()
        except StorageError as error:
            failed.append(error)

    for number in range(40):  # one time in five it goes wrong when nobody waits
        path, together = tmp_path / f"{number}.db", threading.Barrier(4)
        path.touch()
        threads = [threading.Thread(target=begin, args=(path, together)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_removed_under_its_writer_is_not_written_to_unseen(tmp_path, replaced):
    """SQLite would go on in a file that has no name any more."""
    engine, place = database.connect(tmp_path / "a.db", TABLES), tmp_path / "a.db"
    note(engine, "one")
    for each in tmp_path.glob("a.db*"):
        each.rename(tmp_path / f"kept-{each.name}")
    if replaced:
        other = database.connect(place, TABLES)
        other.dispose()
    for use in (lambda: note(engine, "two"), lambda: notes(engine)):
        with pytest.raises(StorageError, match=r"a\.db was removed or replaced"):
            use()
    assert place.exists() == replaced
    engine.dispose()
