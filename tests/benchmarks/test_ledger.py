"""What a provable log costs: appends beside bare inserts of the same rows, in one run.

Both write durable batches, a transaction each: the ledger with its tree, a signed head and a proof
of every entry; the other side nothing but the rows of entries. A ratio is the median over rounds.
"""

import itertools
import sqlite3
import statistics
import time

import pytest
import sqlalchemy as sql

from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.log import LogEntry

pytestmark = pytest.mark.benchmark

BATCHES = (100, 1000)
ROUNDS = {100: 60, 1000: 12}
BEFORE = 20_000  # entries that are there already
CREATE = (
    "CREATE TABLE bare (number BIGINT PRIMARY KEY, file_digest VARCHAR NOT NULL, entry {} NOT NULL)"
)
INDEX = "CREATE INDEX bare_digest ON bare (file_digest)"


def entries(first, count):
    return [
        LogEntry(
            kind="output",
            file_digest=f"sha256:{number:064x}",
            model_digest="sha256:" + "a" * 64,
            policy_digest="sha256:" + "b" * 64,
            time="2026-01-01T00:00:00+00:00",
        )
        for number in range(first, first + count)
    ]


def bare(url):
    """The driver itself, without us and without SQLAlchemy; says how to write one batch."""
    if "://" not in url:
        connection = sqlite3.connect(f"{url}.bare")
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(CREATE.format("BLOB"))
        mark = "?"
    else:
        import psycopg

        parts = sql.make_url(url)
        connection = psycopg.connect(
            host=parts.query.get("host") or parts.host,
            port=parts.port,
            user=parts.username,
            password=parts.password,
            dbname=parts.database,
        )
        connection.execute(CREATE.format("BYTEA"))
        mark = "%s"
    connection.execute(INDEX)
    connection.commit()
    insert = f"INSERT INTO bare VALUES ({mark}, {mark}, {mark})"

    def write(rows):
        connection.cursor().executemany(insert, rows)
        connection.commit()

    return connection, write


def seconds(work, *arguments):
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def test_appends_beside_bare_inserts(url, tmp_path):
    pki.init(tmp_path / "keys")
    signer, ledger = open_signer(tmp_path / "keys"), Ledger(url)
    ledger.append(entries(0, BEFORE), signer=signer)
    connection, write = bare(url)
    place = itertools.count(BEFORE)
    write([(n, e.file_digest, canonical_bytes(e)) for n, e in enumerate(entries(0, BEFORE))])
    kind = "SQLite" if "://" not in url else "PostgreSQL"
    print(
        f"\n| {kind}, a batch of | entries/s | bare inserts/s | ratio |\n| --- | --- | --- | --- |"
    )
    for batch in BATCHES:
        ours, theirs = [], []
        for _ in range(ROUNDS[batch]):
            new = entries(next(place) * 10_000, batch)
            rows = [(next(place), e.file_digest, canonical_bytes(e)) for e in new]
            ours.append(seconds(lambda new=new: ledger.append(new, signer=signer)))
            theirs.append(seconds(write, rows))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        rates = (batch / statistics.median(each) for each in (ours, theirs))
        print("| {:,} | {:,.0f} | {:,.0f} | {:.1f} |".format(batch, *rates, ratio))
    connection.close()
    assert ledger.check(anchors=signer.anchor).faults == ()


def test_proofs_do_not_grow_with_the_log(url, tmp_path):
    pki.init(tmp_path / "keys")
    ledger, signer, size = Ledger(url), open_signer(tmp_path / "keys"), 0
    print("\n| entries in the log | ms to find and prove one |\n| --- | --- |")
    for until in (1_000, 10_000, 100_000):
        while size < until:
            ledger.append(entries(size, 1000), signer=signer)
            size += 1000
        wanted = [each.file_digest for each in entries(0, size)[:: size // 100]]
        taken = statistics.median(seconds(ledger.find, each) for each in wanted)
        print(f"| {size:,} | {1000 * taken:.1f} |")
