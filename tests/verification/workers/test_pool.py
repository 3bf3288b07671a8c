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
from safegen.progress import silent
from safegen.provenance.keys.trust import Trust, TrustList, read_trust
from safegen.verification.workers import process
from safegen.verification.workers.pool import verify_apart
from safegen.verification.workers.process import Task

ACTOR = """
import json, os, signal, sys, time
from safegen.verification.workers import limits
from safegen.verification.unread import unread
from pathlib import Path
sys.stdin.readline()
print('"ready"', flush=True)
for line in sys.stdin:
    name = json.loads(line)
    if "crash" in name: os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in name: time.sleep(3600)
    if "greedy" in name: os._exit(3)
    if "busy" in name:
        limits.MAX_PROCESSOR_SECONDS = 0
        limits.limit_time()
        while True: pass
    verdict = unread(Path(name), "safegen.manifest.none", "no", "unsigned")
    print(verdict.model_dump_json(), flush=True)
"""


@pytest.fixture
def actors(monkeypatch):
    """Processes that crash and hang on files that are named so."""
    code = f"import sys; sys.path[:] = sys.argv[1:]; {'exec(' + repr(ACTOR) + ')'}"
    monkeypatch.setattr(process, "COMMAND", ("-c", code))


def apart(names, jobs=2, patience=20.0, progress=silent):
    task = Task(trust=None)
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


def test_one_file_has_the_limits_of_many(actors, tmp_path):
    """In a process of its own, which is replaced when the file has broken it."""
    for name, code in (("crash.png", "crashed"), ("busy.png", "too-long"), ("a.png", "none")):
        path = tmp_path / name
        path.touch()
        verdict = safegen.verify(path)
        assert verdict.path == str(path)
        assert verdict.findings[0].codes == (f"safegen.manifest.{code}",)


def waiting():
    return [each.popen.pid for each in process.idle._waiting if each.fits(Task(trust=None))]


def test_a_process_waits_for_the_next_verification(made, monkeypatch):
    path = made.outputs / "0001.png"
    safegen.verify(path)
    before = waiting()
    assert before
    for _ in range(3):
        assert safegen.verify(path, trust=made.root).state == "trusted"
        assert safegen.verify(path).state == "valid"  # nothing is left of the other's trust
    assert waiting() == before
    monkeypatch.chdir(made.outputs)
    assert safegen.verify("0001.png", trust=made.root).path == "0001.png"
    assert waiting() == before
    monkeypatch.setenv("SAFEGEN_CACHE", str(made.folder))
    assert waiting() == []  # it would look elsewhere


def test_a_process_that_ended_while_it_waited_is_replaced(made):
    path = made.outputs / "0001.png"
    safegen.verify(path)
    for pid in waiting():
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    assert safegen.verify(path, trust=made.root).state == "trusted"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_starts_a_process_of_its_own(made):
    code = (
        "import os, safegen, sys\n"
        "from safegen.verification.workers.process import idle\n"
        "look = lambda: print(safegen.verify(sys.argv[1]).state, idle._waiting[0].popen.pid)\n"
        "look()\n"
        "sys.stdout.flush()\n"
        "child = os.fork()\n"
        "look()\n"
        "if child: os.waitpid(child, 0)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, made.outputs / "0001.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    states, pids = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert states == ("valid",) * 3
    assert len(set(pids)) == 2  # the parent's twice
    assert done.stderr == ""


def test_only_a_ledger_on_a_server_has_a_network():
    for ledgers in ((), ("ledger.db",), ("sqlite:///ledger.db", "other.db")):
        assert Task(trust=None, ledgers=ledgers).offline
    assert not Task(trust=None, ledgers=("a.db", "postgresql://somewhere/log")).offline


def test_a_process_that_cannot_begin_is_an_error(monkeypatch):
    monkeypatch.setattr(process, "COMMAND", ("-c", "raise SystemExit(5)"))
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
        task = Task(trust=trust, ledgers=("postgresql://somewhere",))
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
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a job may begin without\n"
        "from safegen.verification.workers import process\n"
        "process.COMMAND, process.can_fork = ('actor.py',), lambda: False\n"
        "sys.argv = ['safegen', 'verify', '.']\n"
        "from safegen.cli import main\n"
        "main()\n"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not (tmp_path / "hangs").exists():
        assert command.poll() is None, command.stderr.read()
        time.sleep(0.05)
    os.killpg(command.pid, signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 130
    assert b"Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.killpg(command.pid, 0)


def test_a_process_takes_no_more_memory_than_it_may():
    code = (
        "from safegen.verification.workers.limits import MAX_MEMORY_BYTES, limit_memory\n"
        "limit_memory()\n"
        "try: bytearray(MAX_MEMORY_BYTES)\n"
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
