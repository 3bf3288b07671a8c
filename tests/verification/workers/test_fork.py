"""A command that verifies copies itself: the copy has the limits of a process that is started."""

import subprocess
import sys

import pytest

from safegen.verification.workers.fork import can_fork

COMMAND = """
import json, os, resource, signal, socket, sys
from safegen.verification.workers import limits, process, worker
process.COMMAND = ("-c", "raise SystemExit(5)")  # none can be started: only copies answer

def told(path, *_, **__):
    from safegen.verification.unread import unread
    if "crash" in path.name: os.kill(os.getpid(), signal.SIGSEGV)
    if "busy" in path.name:
        limits.MAX_PROCESSOR_SECONDS = 0
        limits.limit_time()
        while True: pass
    try: bytearray(limits.MAX_MEMORY_BYTES)
    except MemoryError: memory = "no gigabyte"
    try: socket.socket(socket.AF_INET)
    except PermissionError: network = "no network"
    handles = "/proc/self/fd"
    opened = [os.path.realpath(f"{handles}/{each}") for each in os.listdir(handles)]
    said = f"{memory}, {network}, {'secret' in str(opened)}, {os.getpid()}"
    return unread(path, "safegen.manifest.none", said, "unsigned")

import safegen.verification.one_file
safegen.verification.one_file.verify_file = told
secret = open("secret", "w")
sys.argv = ["safegen", "verify", *sys.argv[1:], "--json"]
print(os.getpid(), flush=True)
from safegen.cli import main
main()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is copied")


def verified(folder, name):
    (folder / name).touch()
    command = [sys.executable, "-c", COMMAND, name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_copy_has_its_limits_no_network_and_nothing_that_was_open(tmp_path):
    said = verified(tmp_path, "a.png")
    assert "no gigabyte, no network, False" in said
    own = said.splitlines()[0]
    assert f"False, {own}" not in said  # it is another process


@pytest.mark.parametrize(("name", "code"), [("crash.png", "crashed"), ("busy.png", "too-long")])
def test_a_file_that_breaks_a_copy_harms_nobody(tmp_path, name, code):
    assert f"safegen.manifest.{code}" in verified(tmp_path, name)


def test_a_copy_that_is_broken_is_replaced(made):
    """By a process that is started, since by then this one has threads."""
    code = (
        "import os, signal, sys\n"
        "from safegen.verification.workers import process, worker\n"
        "copy = process.Process.fork(worker.main)\n"
        "process.idle.keep(copy)\n"
        "os.kill(copy.popen.pid, signal.SIGKILL)\n"
        "assert copy.popen.wait() == -signal.SIGKILL == copy.popen.poll()\n"
        "import safegen\n"
        "print(safegen.verify(sys.argv[1]).state)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, made.outputs / "0001.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("valid\n", "")


def test_whoever_has_threads_is_not_copied():
    code = (
        "import threading\n"
        "from safegen.verification.workers.fork import can_fork\n"
        "before, stop = can_fork(), threading.Event()\n"
        "threading.Thread(target=stop.wait).start()\n"
        "print(before, can_fork())\n"
        "stop.set()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


@pytest.mark.parametrize("missing", ["stdin", "stdout", "stderr"])
def test_whoever_lacks_a_stream_is_not_copied(monkeypatch, missing):
    monkeypatch.setattr("os.listdir", lambda _: ["1"])
    assert can_fork()
    monkeypatch.setattr(f"sys.{missing}", None)
    assert not can_fork()
