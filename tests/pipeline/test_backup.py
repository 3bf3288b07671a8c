"""A copy of a live ledger is whole, in one file, and checked; a copy of its file alone is not."""

import contextlib
import shutil
import sqlite3
import stat
import threading

import pytest

from safegen import database
from safegen.errors import StorageError
from safegen.pipeline import backup
from safegen.pipeline.backup import back_up_budget, back_up_ledger
from safegen.privacy.accounting.budget import Budget
from safegen.progress import silent
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.log import LogEntry


@pytest.fixture(scope="module")
def keeper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "keys"
    pki.init(folder)
    return open_signer(folder)


def entries(first, count):
    return [
        LogEntry(kind="output", file_digest=f"file {n}", model_digest="m", policy_digest=None,
                 time="2026-01-01T00:00:00+00:00")
        for n in range(first, first + count)
    ]  # fmt: skip


@pytest.fixture
def live(tmp_path, keeper):
    """A ledger with a writer's connection open, so that its last rows lie in the log beside it."""
    path = tmp_path / "live.db"
    ledger = Ledger(path)
    ledger.append(entries(0, 50), signer=keeper)
    with ledger._engine.connect():
        yield path


def copy(live, to, keeper):
    return back_up_ledger(live, to, anchors=keeper.anchor, progress=silent)


def test_a_copy_of_the_file_alone_lacks_what_the_backup_has(live, tmp_path, keeper):
    shutil.copy(live, tmp_path / "file.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "file.db")) as alone:
        (tables,) = alone.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    assert tables == 0  # nothing at all: everything lies in live.db-wal
    report = copy(live, tmp_path / "new" / "copy.db", keeper)
    assert (report.entries, report.faults) == (50, ())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy.db"]


def test_a_backup_needs_no_other_file_and_goes_on(live, tmp_path, keeper):
    copy(live, tmp_path / "copy.db", keeper)
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(tmp_path / "copy.db", other / "ledger.db")
    ledger = Ledger(other / "ledger.db")
    assert ledger.origin == Ledger(live).origin
    assert ledger.last_checkpoint() == Ledger(live).last_checkpoint()
    ledger.append(entries(50, 1), signer=keeper)
    assert ledger.check(anchors=keeper.anchor).faults == ()


def test_backups_while_somebody_appends_are_each_one_moment(live, tmp_path, keeper):
    stop, ledger = threading.Event(), Ledger(live)

    def write():
        size = 50
        while not stop.is_set():
            ledger.append(entries(size, 7), signer=keeper)
            size += 7

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [copy(live, tmp_path / f"copy-{n}.db", keeper) for n in range(5)]
    finally:
        stop.set()
        writer.join()
    sizes = [report.entries for report in reports]
    assert all(report.faults == () for report in reports)
    assert all((size - 50) % 7 == 0 for size in sizes)  # no half batch
    assert sizes == sorted(sizes)
    assert sizes[-1] > 50


def test_nothing_is_replaced_and_nothing_is_left(live, tmp_path, keeper):
    kept = tmp_path / "kept.db"
    kept.write_text("yesterday's")
    for taken in (kept, live):
        with pytest.raises(StorageError, match="is there already, and is never replaced"):
            copy(live, taken, keeper)
    assert kept.read_text() == "yesterday's"
    with pytest.raises(StorageError, match="no database at"):
        copy(tmp_path / "absent.db", tmp_path / "copy.db", keeper)
    with pytest.raises(StorageError, match="keeps nothing"):
        copy(live, ":memory:", keeper)
    (tmp_path / "words.db").write_text("something else entirely " * 100)
    with pytest.raises(StorageError, match=r"words\.db"):
        copy(tmp_path / "words.db", tmp_path / "copy.db", keeper)
    assert not list(tmp_path.glob("*copy*"))


def test_a_copy_that_fails_half_way_leaves_nothing(live, tmp_path, keeper, monkeypatch):
    def full(source, path):
        path.write_bytes(b"half")
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(database, "_copy", full)
    with pytest.raises(StorageError, match="disk is full; nothing is kept"):
        copy(live, tmp_path / "copy.db", keeper)
    assert not [path for path in tmp_path.iterdir() if "copy" in path.name]


def test_a_server_is_backed_up_by_its_own_tool(tmp_path):
    for use in (
        lambda url: back_up_budget(url, tmp_path / "copy.db"),
        lambda url: database.copied(url, tmp_path / "copy.db").__enter__(),
    ):
        with pytest.raises(StorageError, match="pg_dump") as refused:
            use("postgresql://me:secret@127.0.0.1:1/db")
        assert "secret" not in str(refused.value)


def test_a_server_s_ledger_is_backed_up_by_its_own_tool(postgres_url, tmp_path, keeper):
    Ledger(postgres_url)
    with pytest.raises(StorageError, match="pg_dump"):
        copy(postgres_url, tmp_path / "copy.db", keeper)


def test_a_faulty_ledger_s_copy_shows_its_faults(live, tmp_path, keeper):
    with contextlib.closing(sqlite3.connect(live)) as connection:
        connection.execute("UPDATE entries SET entry = x'00' WHERE number = 7")
        connection.commit()
    report = copy(live, tmp_path / "copy.db", keeper)
    assert report.faults[0].row == 7
    assert Ledger(tmp_path / "copy.db", to_read=True).check().faults[0].row == 7


def test_a_budget_is_copied_for_its_owner_alone(tmp_path):
    Budget(str(tmp_path / "budget.db"))
    back_up_budget(tmp_path / "budget.db", tmp_path / "copy.db")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert Budget(str(tmp_path / "copy.db")).accounts() == ()


def test_what_is_no_budget_is_not_copied_as_one(live, tmp_path):
    with pytest.raises(StorageError, match="keeps no budget"):
        back_up_budget(live, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_log_beside_a_file_that_may_only_be_read_is_not_passed_over(live, monkeypatch):
    """Read as a medium that never changes, it would seem empty."""
    monkeypatch.setattr(database.os, "access", lambda *_: False)
    assert len(Ledger(live, to_read=True)) == 50


def test_a_copy_that_lost_entries_is_not_kept(live, tmp_path, keeper, monkeypatch):
    monkeypatch.setattr(backup.Ledger, "rows_there", lambda _: 51)
    with pytest.raises(Exception, match="50 entries of 51"):
        copy(live, tmp_path / "copy.db", keeper)
    assert not [path for path in tmp_path.iterdir() if "copy" in path.name]
