"""Requests are counted one after the other, by threads and processes, in any database."""

import contextlib
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sql

from safegen.errors import StorageError
from safegen.provenance.log.usage import Requester, Usage, Used
from safegen.schemas.quota import QuotaDocument

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAILY = QuotaDocument(id="daily", outputs=50, every="day")
TAKE = """
import sys, threading, time
from datetime import UTC, datetime
from safegen.provenance.log.usage import Requester, Usage
from safegen.schemas.quota import QuotaDocument

url, threads = sys.argv[1], int(sys.argv[2])
quota = QuotaDocument(id="daily", outputs=50, every="ever")
taken, said = [], threading.Lock()

class Full(Exception):
    pass

def take():
    for _ in range(10):
        try:
            who = Requester(actor="ada", purpose="x", model="m")
            with usage.counting([quota], who, 3, datetime.now(UTC)) as used:
                time.sleep(0.001)  # as long as others would need to see the same count
                if used["daily"] + 3 > quota.outputs:
                    raise Full
        except Full:
            continue
        with said:
            taken.append(3)

print("ready", flush=True)
sys.stdin.readline()
usage = Usage(url)
each = [threading.Thread(target=take) for _ in range(threads)]
[one.start() for one in each]
[one.join() for one in each]
print(sum(taken), flush=True)
"""


class BrokenError(Exception):
    """What a guard raises."""


def count(usage, outputs=1, now=NOON, quotas=(DAILY,), **who):
    told = {"actor": "ada", "purpose": "x", "model": "m"} | who
    with usage.counting(quotas, Requester(**told), outputs, now) as used:
        return dict(used)


def test_a_count_is_what_was_counted_before_in_its_period_and_for_whom(url):
    usage = Usage(url)
    quotas = [
        QuotaDocument(id="hour", outputs=9, every="hour"),
        QuotaDocument(id="month", outputs=9, every="month", per=["actor", "purpose"]),
        QuotaDocument(id="model", outputs=9, every="ever", per=["model"]),
        QuotaDocument(id="all", outputs=9, every="day", per=[]),
    ]
    assert count(usage, 3, quotas=quotas) == {"hour": 0, "month": 0, "model": 0, "all": 0}
    later = NOON + timedelta(hours=1)
    assert count(usage, 4, later, quotas) == {"hour": 0, "month": 3, "model": 3, "all": 3}
    seen = count(usage, 5, later, quotas, actor="bob")
    assert seen == {"hour": 0, "month": 0, "model": 7, "all": 7}
    seen = count(usage, 1, later, quotas, purpose="y")
    assert seen == {"hour": 4, "month": 0, "model": 12, "all": 12}
    next_year = NOON.replace(year=2027)
    seen = count(usage, 1, next_year, quotas)
    assert seen == {"hour": 0, "month": 0, "model": 13, "all": 0}


def test_names_that_only_look_different_are_one(url):
    usage = Usage(url)
    count(usage, 3, actor="Ada")
    assert count(usage, 1, actor="  ada ") == {"daily": 3}
    assert count(usage, 1, actor="ＡＤＡ") == {"daily": 4}
    assert count(usage, 1, actor="ada2") == {"daily": 0}


def test_a_clock_that_is_set_back_gains_nothing(url):
    usage = Usage(url)
    count(usage, 40)
    assert count(usage, 1, NOON - timedelta(days=1)) == {"daily": 40}


def test_what_raises_is_not_counted(url):
    usage = Usage(url)

    def refused():
        who = Requester(actor="ada", purpose="x", model="m")
        with usage.counting([DAILY], who, 7, NOON):
            raise BrokenError

    with pytest.raises(BrokenError):
        refused()
    assert count(usage) == {"daily": 0}


def test_who_used_what_can_be_shown_by_somebody_who_only_reads(url):
    usage = Usage(url)
    count(usage, 3)
    count(usage, 9, actor="Bob")
    reader = Usage(url, to_read=True)
    assert reader.used(DAILY, NOON) == (
        Used(whom={"actor": "bob"}, outputs=9), Used(whom={"actor": "ada"}, outputs=3)
    )  # fmt: skip
    everybody = QuotaDocument(id="all", outputs=1, every="day", per=[])
    assert reader.used(everybody, NOON) == (Used(whom={}, outputs=12),)
    assert reader.used(everybody, NOON + timedelta(days=1)) == ()


def test_where_nothing_was_ever_counted_nothing_was_used(sqlite_url):
    with contextlib.closing(sqlite3.connect(sqlite_url)) as connection:
        connection.execute("CREATE TABLE other (number INTEGER)")
    assert Usage(sqlite_url, to_read=True).used(DAILY, NOON) == ()
    with pytest.raises(StorageError, match="no database at"):
        Usage(f"{sqlite_url}.absent", to_read=True)


def test_eight_threads_in_each_of_four_processes_never_take_one_too_many(url):
    Usage(url)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, url, "8"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 4
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    taken = 0
    for worker in workers:
        said, complained = worker.communicate(timeout=240)
        assert worker.returncode == 0, complained
        taken += int(said)
    assert taken == 48  # sixteen times three: one more would be 51
    ever = QuotaDocument(id="daily", outputs=50, every="ever")
    assert Usage(url, to_read=True).used(ever, NOON) == (Used(whom={"actor": "ada"}, outputs=48),)


def test_a_server_that_goes_away_counts_nothing(postgres_server):
    usage = Usage(postgres_server.url("postgres"))
    count(usage, 3)
    postgres_server.stop("immediate")
    with pytest.raises(StorageError, match="cannot use the database"):
        count(usage, 3)
    postgres_server.start()
    assert count(usage, 1) == {"daily": 3}


def test_who_may_only_read_and_insert_counts(postgres_url):
    """As docs/ledger.md grants it."""
    Usage(postgres_url)
    engine = sql.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS sg_counter")
        connection.exec_driver_sql("CREATE ROLE sg_counter LOGIN")
        connection.exec_driver_sql("GRANT SELECT, INSERT ON counted_requests TO sg_counter")
    url = sql.make_url(postgres_url).set(username="sg_counter")
    usage = Usage(url.render_as_string(hide_password=False))
    count(usage, 2)
    assert count(usage) == {"daily": 2}
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY sg_counter")
        connection.exec_driver_sql("DROP ROLE sg_counter")
    engine.dispose()


def test_threads_of_one_process_queue(sqlite_url):
    usage, seen = Usage(sqlite_url), []

    def take():
        seen.append(count(usage, 1)["daily"])

    threads = [threading.Thread(target=take) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(seen) == list(range(8))
