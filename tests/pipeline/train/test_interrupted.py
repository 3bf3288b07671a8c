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
from safegen.errors import InputError, StorageError
from safegen.privacy.accounting.budget import Budget
from safegen.training import checkpoint

STEPS = 200
RUN = """
import os, sys, warnings
from pathlib import Path
import safegen
from safegen.pipeline.train import run

run.rehearse = run.rehearse_run = lambda *_: None  # nothing of it is kept, and it takes seconds
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
records = safegen.load_data("digits", size=28)
places = safegen.Workspace(keys=keys, ledger=folder / "ledger.db", budget=folder / "budget.db")
if resume:
    safegen.resume(out, records, workspace=places, progress=progress)
else:
    safegen.train(
        records,
        out=out,
        privacy=safegen.PrivacyConfig(epsilon=4.0, canaries=200),
        training=safegen.TrainingConfig(
            steps=int(sys.argv[3]), expected_batch_size=24, pretraining="none"
        ),
        workspace=places,
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
    def train():
        return small(tmp_path, made, size=32)

    with pytest.raises(InputError, match="holds no interrupted run"):
        resumed(tmp_path, made)
    with monkeypatch.context() as patch:
        patch.setattr("safegen.pipeline.train.run.rehearse_run", lambda *_: None)  # it steps, too
        patch.setattr("safegen.training.loop.Training._step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train()
    with pytest.raises(InputError, match=r"interrupted run.*--resume"):
        train()
    with pytest.raises(InputError, match="of other records"):
        resumed(tmp_path, made, groups=groups(tmp_path))
    assert resumed(tmp_path, made, size=32).certificate.events[0].count == 5


def groups(folder):
    lines = [f"{number},{number // 2}" for number in range(1797)]
    path = folder / "groups.csv"
    path.write_text("\n".join(["record,group", *lines]))
    return path


def places(folder, made, budget=None):
    return safegen.Workspace(
        keys=made.keys, ledger=folder / "ledger.db", budget=budget or folder / "budget.db"
    )


def small(folder, made, *, out=None, steps=5, groups=None, size=28, **promised):
    return safegen.train(
        safegen.load_data("digits", size=size, groups=groups),
        out=out or folder / "model",
        privacy=safegen.PrivacyConfig(epsilon=4.0, canaries=0, **promised),
        training=safegen.TrainingConfig(steps=steps, pretraining="none"),
        workspace=places(folder, made),
    )


def resumed(folder, made, *, out=None, groups=None, size=28, budget=None):
    data = safegen.load_data("digits", size=size, groups=groups)
    return safegen.resume(out or folder / "model", data, workspace=places(folder, made, budget))


def interrupted(folder, made, monkeypatch, **options):
    """A run that stops after its first checkpoint of trained weights."""
    with monkeypatch.context() as patch:
        patch.setattr("safegen.pipeline.train.run.rehearse_run", lambda *_: None)  # it trains, too
        patch.setattr("safegen.training.loop.Training._finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            small(folder, made, **options)


def test_a_second_copy_of_a_finished_run_is_refused(made, tmp_path, monkeypatch):
    """Two packages under one grant would be two runs for the price of one."""
    interrupted(tmp_path, made, monkeypatch, steps=45)
    path = tmp_path / "model" / checkpoint.NAME
    standing, tensors = checkpoint.read(path)
    early = standing.model_copy(update={"counted": 20, "claimed": 40})
    copy = tmp_path / "copy"
    checkpoint.keep(copy / checkpoint.NAME, early, tensors)
    assert resumed(tmp_path, made).certificate.events[0].count == 45
    with pytest.raises(InputError, match="finished from another copy"):
        resumed(tmp_path, made, out=copy)


def test_a_wrong_ledger_does_not_cost_the_run(made, tmp_path, monkeypatch):
    from safegen.errors import BudgetRefused

    interrupted(tmp_path, made, monkeypatch)
    with monkeypatch.context() as patch:

        def refused(*_, **__):
            raise BudgetRefused("no")

        patch.setattr(Budget, "grant", refused)
        with pytest.raises(BudgetRefused):
            resumed(tmp_path, made)
    assert resumed(tmp_path, made).certificate.outcome == "completed"


def test_a_run_goes_on_in_the_budget_that_granted_it(made, tmp_path, monkeypatch):
    interrupted(tmp_path, made, monkeypatch)
    elsewhere = str(tmp_path / "elsewhere.db")
    with pytest.raises(StorageError, match="from another budget ledger; name that one"):
        resumed(tmp_path, made, budget=elsewhere)
    assert Budget(elsewhere).accounts() == ()
    assert resumed(tmp_path, made).certificate.outcome == "completed"


def test_a_refused_run_leaves_nothing(made, tmp_path, monkeypatch):
    def locked(*_, **__):
        raise StorageError("cannot use the database: locked; nothing was written")

    with monkeypatch.context() as patch:
        patch.setattr(Budget, "grant", locked)
        with pytest.raises(StorageError, match="locked"):
            small(tmp_path, made)
    assert not (tmp_path / "model").exists()
    assert small(tmp_path, made).certificate.outcome == "completed"


def test_even_a_seed_of_zero_voids_the_certificate(made, tmp_path):
    from safegen.privacy.accounting.recompute import faults
    from safegen.privacy.mechanism.noise import UnsafeWarning

    with pytest.warns(UnsafeWarning):
        model = small(tmp_path, made, unsafe_seeded_noise=0)
    assert model.certificate.noise.source == "unsafe seed"
    assert any("seed" in fault for fault in faults(model.certificate))


def test_another_grouping_of_the_same_records_is_another_run(made, tmp_path, monkeypatch):
    from safegen.errors import BudgetRefused

    lines = [f"{number},{number // 2}" for number in range(1797)]
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("\n".join(["record,group", *lines]))
    other.write_text("\n".join(["record,group", *(f"{n},{n % 899}" for n in range(1797))]))
    interrupted(tmp_path, made, monkeypatch, groups=one)
    with pytest.raises(InputError, match="grouping"):
        resumed(tmp_path, made, groups=other)
    with pytest.raises(BudgetRefused, match="another grouping"):
        small(tmp_path, made, out=tmp_path / "second", groups=other)
    assert resumed(tmp_path, made, groups=one).certificate.units == 899


@pytest.mark.rehearses
def test_a_resumed_run_rehearses_on_the_engine_that_goes_on(made, tmp_path, monkeypatch):
    """It may go on in another mode, or on another machine, than where it began."""
    from safegen.errors import PlanError
    from safegen.privacy.mechanism.lattice import Lattice

    interrupted(tmp_path, made, monkeypatch)
    whole = Lattice.noise
    with monkeypatch.context() as patch:
        patch.setattr(Lattice, "noise", lambda *arguments: whole(*arguments) // 2)
        with pytest.raises(PlanError, match="does not keep the plan"):
            resumed(tmp_path, made)
    assert resumed(tmp_path, made).certificate.outcome == "completed"
