"""Several processes and threads keep one log; processes and servers die; nothing told is lost."""

import random
import signal
import subprocess
import sys
import time

import pytest

from safegen.errors import StorageError
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.proofs import leads_to, proves
from safegen.schemas.log import LogCheckpoint, LogEntry, LoggedFile

WORKER = """
import sys, threading
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.keys.opener import open_signer
from safegen.schemas.log import LogEntry, LoggedFile

url, keys, name = sys.argv[1:]
keeper, said = open_signer(keys), threading.Lock()

def entry(thread, number):
    return LogEntry(kind="output", file_digest=f"{name}-{thread}-{number}", model_digest="m",
                    policy_digest=None, time="2026-01-01T00:00:00+00:00")

def append(thread):
    for batch in range(5):
        entries = [entry(thread, 3 * batch + n) for n in range(3)]
        logged = ledger.append(entries, signer=keeper)
        with said:
            for one, proof in zip(entries, logged.proofs, strict=True):
                given = LoggedFile(entry=one, proof=proof, checkpoint=logged.checkpoint)
                print(given.model_dump_json(), flush=True)

print("ready", flush=True)
sys.stdin.readline()
ledger = Ledger(url)  # both begin it at once
threads = [threading.Thread(target=append, args=(n,)) for n in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
"""


BATCH = 5  # entries that a worker appends at once, until it dies


def spawn(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_of_eight_threads_append_at_once(url, keys, keeper):
    workers = [spawn(WORKER, url, keys, name) for name in ("one", "two")]
    assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 2
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    given = []
    for worker in workers:
        said, complained = worker.communicate(timeout=120)
        assert worker.returncode == 0, complained
        given += [LoggedFile.model_validate_json(line) for line in said.splitlines()]
    names = {
        f"{who}-{thread}-{number}"
        for who in ("one", "two")
        for thread in range(8)
        for number in range(15)
    }
    ledger = Ledger(url)
    assert len(ledger) == len(given) == len(names) == 240
    assert {each.entry.file_digest for each in given} == names
    assert {each.proof.index for each in given} == set(range(240))
    for each in given:
        assert proves(each.entry, each.proof)
        assert leads_to(each.proof, each.checkpoint)
        assert ledger.find(each.entry.file_digest)[0] == each.entry
    heads = [each.checkpoint for each in given]
    report = ledger.check(anchors=keeper.anchor, earlier=heads)
    assert (report.checkpoints, report.faults) == (80, ())


ENDLESS = """
import sys
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.keys.opener import open_signer
from safegen.schemas.log import LogEntry

url, keys = sys.argv[1:]
keeper, ledger = open_signer(keys), Ledger(url)
print("ready", flush=True)
size = len(ledger)
while True:
    entries = [LogEntry(kind="output", file_digest=f"{size + n}", model_digest="m",
                        policy_digest=None, time="2026-01-01T00:00:00+00:00") for n in range(5)]
    size += 5
    print(ledger.append(entries, signer=keeper).checkpoint.model_dump_json(), flush=True)
"""


def killed_somewhere(url, keys, end, *, after=0):
    """The heads that were acknowledged before `end` put an end to it, at a random moment.

    So many are waited for before that moment, since a busy machine may come to none in its time.
    """
    worker = spawn(ENDLESS, url, keys)
    assert worker.stdout.readline() == "ready\n"
    said = "".join(worker.stdout.readline() for _ in range(after))
    time.sleep(random.random() * 0.15)  # the moment is the test's, not a secret
    end(worker)
    said += worker.stdout.read()  # not `communicate`, which forgets what was read ahead
    complained = worker.communicate(timeout=60)[1]
    whole = [line for line in said.splitlines() if line.endswith("}")]
    return [LogCheckpoint.model_validate_json(line) for line in whole], complained


def nothing_is_lost(url, keeper, acknowledged):
    """All that was told is there, the tree is whole, and the next append works.

    A COMMIT that PostgreSQL was already given goes on when its client dies. The next append queues
    behind it, so that one batch that nobody was told of may come in between; a whole one.
    """
    ledger = Ledger(url)
    report = ledger.check(earlier=acknowledged[-5:])
    assert report.faults == ()
    assert report.entries % BATCH == 0  # batches are there whole, or not at all
    assert report.entries >= max((head.tree_size for head in acknowledged), default=0)
    new = LogEntry(
        kind="model", file_digest="next", model_digest="m", policy_digest=None, time="now"
    )
    first = ledger.append([new] * BATCH, signer=keeper).proofs[0].index
    between = first - report.entries
    assert between in ({0, BATCH} if "://" in url else {0})
    assert len(ledger) == first + BATCH
    return between


def survive(url, keys, keeper, kills):
    acknowledged = []
    for number in range(kills):
        heads, _ = killed_somewhere(
            url, keys, lambda worker: worker.send_signal(signal.SIGKILL), after=number % 2
        )
        acknowledged += heads
        nothing_is_lost(url, keeper, acknowledged)
    assert acknowledged
    assert Ledger(url).check(anchors=keeper.anchor, earlier=acknowledged).faults == ()


def test_a_writer_may_be_killed_at_any_moment(url, keys, keeper):
    survive(url, keys, keeper, 10)


def test_a_commit_that_outlives_its_client_is_whole_and_waited_for(postgres_url, keys, keeper):
    """Made certain by commits that take their time: each kill hits one."""
    ledger = Ledger(postgres_url)
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF new.file_digest <> 'next' THEN PERFORM pg_sleep(0.2); END IF; "
            "RETURN NULL; END $$"
        )
        connection.exec_driver_sql(
            "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    for _ in range(2):
        heads, _ = killed_somewhere(
            postgres_url, keys, lambda worker: (time.sleep(0.5), worker.kill())
        )
        assert nothing_is_lost(postgres_url, keeper, heads) == BATCH
    assert ledger.check(anchors=keeper.anchor).faults == ()


@pytest.mark.slow
def test_two_hundred_kills(url, keys, keeper):
    survive(url, keys, keeper, 200)


def test_the_server_may_crash_at_any_moment(postgres_server, keys, keeper):
    url, acknowledged = postgres_server.url("postgres"), []
    Ledger(url)
    for number in range(3):
        heads, complained = killed_somewhere(
            url, keys, lambda _: postgres_server.stop("immediate"), after=number % 2
        )
        assert "StorageError: " in complained or "InDoubtError: " in complained
        acknowledged += heads
        postgres_server.start()
        nothing_is_lost(url, keeper, acknowledged)
    assert acknowledged


def test_a_server_that_was_started_anew_is_found_again(postgres_server, entries, keeper):
    url = postgres_server.url("postgres")
    ledger = Ledger(url)
    ledger.append(entries(3), signer=keeper)
    postgres_server.stop("fast")
    with pytest.raises(StorageError, match=r"the database postgresql.*nothing was written"):
        ledger.append(entries(3, 6), signer=keeper)
    postgres_server.start()
    assert ledger.append(entries(3, 6), signer=keeper).checkpoint.tree_size == 6


def test_a_server_that_goes_away_in_the_middle_leaves_nothing_half(
    postgres_server, entries, keeper
):
    url = postgres_server.url("postgres")
    ledger = Ledger(url)
    ledger.append(entries(3), signer=keeper)

    class Stopping:
        algorithm, chain, anchor = keeper.algorithm, keeper.chain, keeper.anchor

        def sign(self, data):
            postgres_server.stop("immediate")
            return keeper.sign(data)

    with pytest.raises(StorageError) as refused:
        ledger.append(entries(3, 6), signer=Stopping())
    assert "\n" not in str(refused.value)
    postgres_server.start()
    assert len(ledger) == 3
    assert ledger.check(anchors=keeper.anchor).faults == ()
