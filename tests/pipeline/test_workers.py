"""Verification in several processes: order, and files that take their process down."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import safegen
from safegen.errors import SafegenError, StorageError
from safegen.pipeline import limits, workers
from safegen.pipeline.workers import Task, verify_apart
from safegen.progress import silent
from safegen.provenance.trust import Trust, TrustList, read_trust

ACTOR = """
import json, os, signal, sys, time
from safegen.pipeline import limits
from safegen.pipeline.unread import unread
from pathlib import Path
sys.stdin.readline()
print('"ready"', flush=True)
for line in sys.stdin:
    name = json.loads(line)
    if "crash" in name: os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in name: time.sleep(3600)
    if "greedy" in name: os._exit(3)
    if "busy" in name:
        limits.SECONDS = 0
        limits.limit_time()
        while True: pass
    verdict = unread(Path(name), "safegen.manifest.none", "no", "unsigned")
    print(verdict.model_dump_json(), flush=True)
"""


@pytest.fixture
def actors(monkeypatch):
    """Processes that crash and hang on files that are named so."""
    code = f"import sys; sys.path[:] = sys.argv[1:]; {'exec(' + repr(ACTOR) + ')'}"
    monkeypatch.setattr(workers, "COMMAND", ("-c", code))


def apart(names, jobs=2, patience=20.0, progress=silent):
    task = Task(trust=None, ledger=None)
    return verify_apart(
        [Path(name) for name in names], task, jobs=jobs, patience=patience, progress=progress
    )


def test_the_order_is_that_of_the_files(made):
    paths = sorted(made.outputs.rglob("*.png")) * 1
    backwards = list(reversed(paths))
    for jobs in (1, 2, 5):
        verdicts = safegen.verify_tree(backwards, trust=made.root, jobs=jobs)
        assert [verdict.path for verdict in verdicts] == [str(path) for path in backwards]
        assert {verdict.state for verdict in verdicts} == {"trusted"}


def test_apart_and_together_say_the_same(made):
    paths = sorted(made.outputs.rglob("*.png"))
    apart = safegen.verify_tree(paths, trust=made.root, ledger=made.ledger)
    together = [safegen.verify(path, trust=made.root, ledger=made.ledger) for path in paths]
    assert list(apart) == together


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_file_that_breaks_its_reader_down_harms_no_other(actors, jobs):
    names = [*(f"{n}.png" for n in range(20)), "crash.png", *(f"{n}.jpg" for n in range(20))]
    names.insert(3, "greedy.png")
    told = []
    verdicts = apart(names, jobs, progress=lambda _, done, total: told.append((done, total)))
    assert [verdict.path for verdict in verdicts] == names
    broken = {v.path: v for v in verdicts if v.state == "unreadable"}
    assert set(broken) == {"crash.png", "greedy.png"}
    assert broken["crash.png"].findings[0].codes == ("safegen.manifest.crashed",)
    assert "SIGSEGV" in broken["crash.png"].text
    assert told == [(done, 42) for done in range(1, 43)]


def test_a_file_that_takes_for_ever_is_stopped(actors):
    names = ["1.png", "hang.png", *(f"{n}.jpg" for n in range(12))]
    verdicts = apart(names, patience=1.5)
    assert [v.path for v in verdicts if v.state == "unreadable"] == ["hang.png"]
    assert verdicts[1].findings[0].codes == ("safegen.manifest.too-long",)
    assert len(verdicts) == len(names)


def test_a_process_that_cannot_begin_is_an_error(monkeypatch):
    monkeypatch.setattr(workers, "COMMAND", ("-c", "raise SystemExit(5)"))
    with pytest.raises(SafegenError, match="ended before it began"):
        apart(["a.png", "b.png"])


def test_what_a_process_raises_is_raised_here(made, tmp_path):
    with pytest.raises(StorageError, match="no database"):
        safegen.verify_tree([made.outputs], ledger=tmp_path / "absent.db")


def test_lists_of_trust_arrive_as_they_were(made):
    lists = Trust(
        signers=(TrustList(name="a \u00e4 \n", pem=b"\xff\x00\n"),),
        time_stamps=(TrustList(name="t", pem=b"x"),),
    )
    for trust in (None, lists, read_trust([made.root])):
        task = Task(trust=trust, ledger="postgresql://somewhere")
        assert Task.from_line(task.to_line()) == task


def test_no_process_is_left_behind(actors):
    with pytest.raises(KeyboardInterrupt):
        apart([f"{n}.png" for n in range(99)], progress=_interrupt)
    mine = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "sys.stdin.readline" not in mine


def _interrupt(stage, done, total):
    raise KeyboardInterrupt


def test_ctrl_c_ends_everything(tmp_path):
    """In a terminal, all processes of a command hear of it."""
    for name in ("a.png", "hang.png"):
        (tmp_path / name).touch()
    hanging = ACTOR.replace("time.sleep", "open('hangs', 'w').close() or time.sleep")
    (tmp_path / "actor.py").write_text(f"import sys; sys.path[:] = sys.argv[1:]\n{hanging}")
    code = (
        "import sys\n"
        "from safegen.pipeline import workers\n"
        "workers.COMMAND = ('actor.py',)\n"
        "sys.argv = ['safegen', 'verify', '.']\n"
        "from safegen.cli import main\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not (tmp_path / "hangs").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_process_takes_no_more_memory_than_it_may():
    code = (
        "from safegen.pipeline.limits import MEMORY, limit_memory\n"
        "limit_memory()\n"
        "try: bytearray(MEMORY)\n"
        "except MemoryError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_ten_seconds_of_the_processor_are_enough_for_any_file(actors):
    names = ["1.png", "busy.png", *(f"{n}.jpg" for n in range(4))]
    verdicts = apart(names, patience=120.0)
    assert [v.path for v in verdicts if v.state == "unreadable"] == ["busy.png"]
    assert verdicts[1].findings[0].codes == ("safegen.manifest.too-long",)
    assert "of processor time" in verdicts[1].text


def test_work_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    end = time.monotonic() + 5

    def busy():
        while time.monotonic() < end:
            pass

    assert limits.within_time(busy) is None
    assert limits.within_time(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        limits.within_time(lambda: 1 / 0)
