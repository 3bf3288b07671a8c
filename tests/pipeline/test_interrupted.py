"""A run that is killed at any moment goes on, and no step of it is forgotten."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import safegen
from safegen.errors import InputError
from safegen.privacy.budget import Budget
from safegen.training import checkpoint

STEPS = 200
RUN = """
import os, sys, warnings
from pathlib import Path
import safegen

folder, keys = Path(sys.argv[1]), sys.argv[2]
journal = os.open(folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def progress(stage, done, total):
    if stage == "training":
        os.write(journal, b"step\\n")
    elif stage == "planning" and done:
        print("planned", flush=True)

out = folder / "model"
resume = (out / "checkpoint.safetensors").exists()
if resume:
    print("planned", flush=True)
safegen.train(
    "digits", out=out, size=28, steps=int(sys.argv[3]), batch=24, epsilon=4.0, keys=keys,
    ledger=folder / "ledger.db", budget=str(folder / "budget.db"), resume=resume, canaries=200,
    progress=progress,
)
print("done", flush=True)
"""


def start(folder, made):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), str(made.keys), str(STEPS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
    )


def killed_somewhere(folder, made, within):
    """Start or resume a run and kill it at a random moment; whether it was done before that."""
    process = start(folder, made)
    assert process.stdout.readline() == "planned\n", process.communicate()[1]
    time.sleep(random.random() * within)  # the moment is the test's, not a secret
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == 0


def check_what_is_left(folder):
    """Nothing unreadable, one grant, and whatever ran is claimed."""
    path = folder / "model" / checkpoint.NAME
    if path.exists():
        standing, _ = checkpoint.read(path)
        assert standing.claimed >= ran(folder)
        counted = sum(event.count for event in standing.events)
        assert counted == standing.claimed
    if (folder / "budget.db").exists():
        accounts = Budget(str(folder / "budget.db")).accounts()
        assert [account.runs for account in accounts] in ([], [1])


def ran(folder):
    return len((folder / "journal").read_bytes().splitlines())


def finish_and_check(folder, made):
    if (
        not (folder / "model" / "digests.json").exists()
        or (folder / "model" / checkpoint.NAME).exists()
    ):
        process = start(folder, made)
        _, error = process.communicate()
        assert process.returncode == 0, error
    certificate = json.loads((folder / "model" / "certificate.json").read_bytes())
    steps = certificate["events"][0]["count"]
    assert ran(folder) <= steps <= STEPS
    (account,) = Budget(str(folder / "budget.db")).accounts()
    assert account.runs == 1
    assert account.spent == pytest.approx(certificate["epsilon"])
    assert not (folder / "model" / checkpoint.NAME).exists()
    weights = folder / "model" / "weights.safetensors"
    verdict = safegen.verify(weights, trust=made.root, ledger=folder / "ledger.db")
    assert verdict.state == "trusted"


def survive(folder, made, kills, within):
    (folder / "journal").touch()
    for _ in range(kills):
        done = killed_somewhere(folder, made, within)
        check_what_is_left(folder)
        if done or (
            (folder / "model" / "digests.json").exists()
            and not (folder / "model" / checkpoint.NAME).exists()
        ):
            break
    finish_and_check(folder, made)


def test_a_run_survives_being_killed(made, tmp_path):
    survive(tmp_path, made, kills=2, within=3.0)


@pytest.mark.slow
def test_fifty_kills_at_random_moments(made, tmp_path):
    """Also in the moments around the grant, the release, and the writing of the package."""
    kills = 0
    while kills < 50:
        folder = tmp_path / str(kills)
        folder.mkdir()
        (folder / "journal").touch()
        many = random.choice((1, 2, 6))
        survive(folder, made, kills=many, within=random.choice((0.3, 3.0, 7.0)))
        kills += many


def test_an_interrupted_run_is_named_and_not_overwritten(made, tmp_path, monkeypatch):
    def train(**options):
        return safegen.train(
            "digits", out=tmp_path / "model", steps=5, keys=made.keys,
            budget=str(tmp_path / "b.db"),
            ledger=tmp_path / "ledger.db", **options,
        )  # fmt: skip

    with pytest.raises(InputError, match="holds no interrupted run"):
        train(resume=True)
    with monkeypatch.context() as patch:
        patch.setattr("safegen.training.loop.Training._step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train()
    with pytest.raises(InputError, match=r"interrupted run.*--resume"):
        train()
    with pytest.raises(InputError, match="of other records"):
        safegen.train(
            "digits", out=tmp_path / "model", size=28, keys=made.keys, resume=True,
            budget=str(tmp_path / "b.db"), ledger=tmp_path / "ledger.db", groups=groups(tmp_path),
        )  # fmt: skip
    assert train(resume=True).certificate.events[0].count == 5


def groups(folder):
    lines = [f"{number},{number // 2}" for number in range(1797)]
    path = folder / "groups.csv"
    path.write_text("\n".join(["record,group", *lines]))
    return path
