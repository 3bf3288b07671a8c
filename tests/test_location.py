"""A database is where its keeper says, to the letter, or it is refused in one sentence."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sql

from safegen import database
from safegen.errors import StorageError
from safegen.location import is_missing, locate, without_secret
from safegen.privacy.accounting.budget import Budget

TABLES = sql.MetaData()
NOTES = sql.Table("notes", TABLES, sql.Column("text", sql.String, primary_key=True))
ODD = [
    "a#b.db", "a?b.db", "100%.db", "a%20b.db", "a%23b", "?mode=memory", "#", "a&uri=true.db",
    "x;y.db", "a b.db", "naïve-記録.db", "don't.db", "a:b.db", "[x].db", "+.db", "sqlite.db",
    "ends.in.a.dot.", "a//b.db", "q?mode=ro&immutable=1", "\udcff.db",
]  # fmt: skip


def write(location, text):
    engine = database.connect(location, TABLES)
    with database.writing(engine) as connection:
        connection.execute(sql.insert(NOTES).values(text=text))
    engine.dispose()


def read(location):
    engine = database.connect_to_read(location)
    with database.reading(engine) as connection:
        found = connection.execute(sql.select(NOTES.c.text)).scalars().all()
    engine.dispose()
    return found


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_taken_to_the_letter(here, name, kind):
    write(kind(name), name.encode("utf-8", "replace").decode())
    assert read(kind(name)) == [name.encode("utf-8", "replace").decode()]
    assert (here / name).is_file()
    with contextlib.closing(sqlite3.connect(here / name)) as held:
        assert held.execute("SELECT count(*) FROM notes").fetchone() == (1,)
    kept = {path.relative_to(here) for path in here.rglob("*") if path.is_file()}
    assert kept == {Path(name)}


@pytest.mark.parametrize("name", ["a#b.db", "a?b.db", "a%62.db"])
def test_neighbours_are_not_taken_for_it(here, name):
    """`a`, `ab.db`: what is left of such names where somebody reads them as a URL."""
    for neighbour in ("a", "a.db", "ab.db", "a#b.dbb"):
        write(neighbour, "another")
    write(name, "own")
    assert read(name) == ["own"]
    assert {tuple(read(each)) for each in ("a", "a.db", "ab.db", "a#b.dbb")} == {("another",)}
    Path(name).unlink()
    with pytest.raises(StorageError, match="no database at"):
        read(name)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("", "is empty"), ("  ", "is empty"), (":memory:", "keeps nothing"),
        (":MEMORY:", "keeps nothing"), (Path(":memory:"), "keeps nothing"),
        ("sqlite://", "names no file"), ("sqlite:///", "names no file"),
        ("sqlite://ledger.db", "names no file"), ("sqlite+pysqlite://", "names no file"),
        ("sqlite:///:memory:", "keeps nothing"), ("sqlite:///a.db?mode=memory", "give the path"),
        ("sqlite:///file:a.db?mode=memory&uri=true", "give the path"),
        ("sqlite:///file:a.db", "looks like a URL"), ("file::memory:", "looks like a URL"),
        ("file:a.db?mode=memory", "looks like a URL"), ("sqlite:///a#b.db", "give the path"),
        ("sqlite:/a.db", "looks like a URL"), (Path("sqlite:///a.db"), "looks like a URL"),
        (Path("postgresql://h/db"), "looks like a URL"), ("a.db ", "ends with a space"),
        ("\ta.db", "ends with a space"), ("a.db\n", "ends with a space"),
        ("postgresql://h/db ", "ends with a space"), (".", "is a folder"), ("new/", "is a folder"),
        (Path(), "is a folder"), ("/dev/null", "no ordinary file"), ("a\0b.db", "cannot be"),
        ("~nobody-of-that-name/a.db", "home folder"),
    ],
)  # fmt: skip
def test_what_keeps_nothing_or_something_else_is_refused(here, location, words):
    for use in (lambda: database.connect(location, TABLES), lambda: read(location),
                lambda: is_missing(location)):  # fmt: skip
        with pytest.raises(StorageError, match=words) as refused:
            use()
        assert "\n" not in str(refused.value)
    assert list(here.iterdir()) == []


def test_every_door_to_a_ledger_or_budget_refuses_the_same(here):
    from safegen.provenance.log.ledger import Ledger

    for keeps_nothing in (":memory:", "sqlite://", "", "file:x?mode=memory"):
        for door in (Ledger, Budget, lambda place: Ledger(place, to_read=True)):
            with pytest.raises(StorageError):
                door(keeps_nothing)
    assert list(here.iterdir()) == []


def test_home_is_where_it_is(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here / "home"))
    write("~/a.db", "own")
    write(Path("~/b.db"), "own")
    assert sorted(path.name for path in (here / "home").iterdir()) == ["a.db", "b.db"]
    write("./~", "a file of that name")
    assert (here / "~").is_file()


def test_a_url_of_a_file_is_decoded_as_urls_are(here):
    write(f"sqlite:///{here}/a%20b%23.db", "own")
    assert read(here / "a b#.db") == read("sqlite:///a%20b%23.db") == ["own"]


@pytest.mark.parametrize("password", ["p@ss", "p/w", "p?w", "p#w", "p:w@x/y", "p@127.0.0.1:1/x"])
def test_a_password_that_can_be_read_in_two_ways_is_refused_unseen(password):
    """Or the question would go to whatever stands behind the first @ in it."""
    with pytest.raises(StorageError, match="can be read in two ways") as refused:
        database.connect(f"postgresql://me:{password}@127.0.0.1:1/db", TABLES)
    assert password not in str(refused.value)
    assert "me:***@127.0.0.1:1/db" in str(refused.value)


@pytest.mark.parametrize("password", ["p%40s%2Fs%3F%23", "100%", "a+b c", "a:b", "päss", "%25"])
def test_a_password_arrives_as_it_is(password):
    from urllib.parse import unquote

    url = database._url(locate(f"postgresql://me:{password}@host/db?application_name=a@b"))
    assert (url.password, url.host, url.database) == (unquote(password), "host", "db")
    assert url.drivername == "postgresql+psycopg"
    assert url == database._url(locate(f"postgres://me:{password}@host/db?application_name=a@b"))


def test_no_secret_is_shown():
    for url in ("postgresql://me:sec/ret@h/db", "postgresql://me:sec:ret@h:port/db",
                "x://me:sec@ret@h/db", "postgresql://me:sec\nret@h/db"):  # fmt: skip
        assert "sec" not in without_secret(url)
        assert "ret" not in without_secret(url)
