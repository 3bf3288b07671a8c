"""Killed with -9 at random moments while it signs, releases and logs: nothing half-done counts."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import safegen
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.canonical import sha256

# Imports once and forks for every run, so that a kill costs a second and not ten. Nothing of the
# C2PA SDK or torch is called before the fork.
SERVER = """
import hashlib, json, os, sys
import safegen
from safegen.pipeline import sign
from safegen.pipeline.generate import model
made, ledger = sys.argv[1:]

def work(folder):
    opened = safegen.load(made + "/model",
        workspace=safegen.Workspace(keys=made + "/keys", ledger=ledger))
    journal = os.open(folder + "/journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def tell(path):
        digest = "sha256:" + hashlib.sha256(open(path, "rb").read()).hexdigest()
        os.write(journal, json.dumps([str(path), digest]).encode() + b"\\n")
    os.write(1, b"ready\\n")
    for number in range(100):
        path = f"{folder}/own/{number}.png"
        safegen.sign(path, keys=made + "/keys", ledger=ledger, source="algorithmic")
        tell(path)
        release = opened.generate(2, label=number % 10, seed=number, purpose="a test")
        for path in release.save(f"{folder}/out/{number}"):
            tell(path)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        work(line.strip())
        os._exit(0)
    os.write(1, b"%d\\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"ended\\n")
"""
OWN = 20  # files of one's own that wait to be signed in each run


@pytest.fixture
def server(made, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(made.folder), str(tmp_path / "ledger.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    yield process
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


def killed(server, folder, picture, within):
    """Let a run work in `folder`, and kill it somewhere."""
    (folder / "own").mkdir(parents=True)
    for number in range(OWN):
        (folder / "own" / f"{number}.png").write_bytes(picture)
    server.stdin.write(f"{folder}\n")
    server.stdin.flush()
    said = {server.stdout.readline().strip(), server.stdout.readline().strip()}
    assert "ready" in said, said
    child = int((said - {"ready"}).pop())
    time.sleep(random.random() * within)  # the moment is the test's, not a secret
    os.kill(child, signal.SIGKILL)
    assert server.stdout.readline() == "ended\n"


def check_what_is_left(folder, made, ledger, picture):
    """Every file under a final name is whole; what was acknowledged is logged; the rest hides."""
    acknowledged = read_journal(folder)
    for path in (folder / "own").iterdir():
        if path.name.startswith("."):
            continue
        unsigned = path.read_bytes() == picture
        assert unsigned or safegen.verify(path, trust=made.root, ledger=ledger).state == "trusted"
        assert not (unsigned and str(path) in acknowledged), path
    for path in folder.glob("out/**/*"):
        if path.is_dir() or any(part.startswith(".safegen-") for part in path.parts):
            continue
        assert path.stat().st_size > 0, path
        if path.suffix == ".safetensors":  # numbers, which manifests hold the digests of
            continue
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        else:
            verdict = safegen.verify(path, trust=made.root, ledger=ledger)
            assert verdict.state == "trusted", (path, verdict)
    log = Ledger(ledger, to_read=True)
    for name, digest in acknowledged.items():
        assert sha256(Path(name).read_bytes()) == digest, name
        assert log.find(digest) is not None, name
    assert log.check().faults == ()
    return len(acknowledged)


def read_journal(folder):
    path = folder / "journal"
    lines = path.read_bytes().splitlines() if path.exists() else []
    return dict(json.loads(line) for line in lines)


def survive(kills, server, made, tmp_path, picture, within):
    ledger = tmp_path / "ledger.db"
    acknowledged = strays = 0
    for number in range(kills):
        folder = tmp_path / f"run{number}"
        killed(server, folder, picture, within)
        if ledger.exists():
            acknowledged += check_what_is_left(folder, made, ledger, picture)
        strays += sum(1 for path in folder.rglob(".*"))  # hidden folders count as one
        finish(folder, made, ledger, picture)
        shutil.rmtree(folder)
    print(f"{kills} kills, {acknowledged} acknowledged files, {strays} hidden ones left")
    return acknowledged


def finish(folder, made, ledger, picture):
    """The next run takes up what is left, whatever temporaries lie about."""
    left = [path for path in (folder / "own").glob("*.png") if path.read_bytes() == picture]
    for path in left[:1]:
        safegen.sign(path, keys=made.keys, ledger=ledger, source="algorithmic")
        assert safegen.verify(path, trust=made.root, ledger=ledger).state == "trusted"


def test_killed_fifteen_times(made, server, media, tmp_path):
    assert survive(15, server, made, tmp_path, media["image/png"], 0.8) > 0


@pytest.mark.slow
def test_killed_two_hundred_times(made, server, media, tmp_path):
    assert survive(200, server, made, tmp_path, media["image/png"], 1.5) > 100
