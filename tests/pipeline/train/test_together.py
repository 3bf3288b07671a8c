"""Several processes train one model: the same events, one grant, one package, noise added once."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import safegen
from safegen.privacy.accounting.budget import Budget

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port")


def together(port, *command):
    return subprocess.run(
        [*TORCHRUN, str(port), *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
    )


@pytest.mark.parametrize(
    ("family", "warm_start", "port"), [("vae", "none", 29611), ("gan", "moments", 29612)]
)
def test_two_processes_make_one_package(made, tmp_path, family, warm_start, port):
    budget = tmp_path / "budget.db"
    done = together(
        port, "-m", "safegen", "train", "digits", "--out", tmp_path / "model", "--model", family,
        "--steps", 30, "--prior", "none", "--warm-start", warm_start,
        "--keys", made.keys, "--ledger", tmp_path / "ledger.db",
        "--budget", budget, "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("private steps on") == 1
    certificate = json.loads((tmp_path / "model" / "certificate.json").read_bytes())
    assert certificate["events"][0]["count"] == 30
    assert len(certificate["events"]) == (2 if family == "vae" else 4)  # releases are made once
    assert certificate["lower_bound"]["canaries"] == 1000  # and they heard the planned noise
    (account,) = Budget(str(budget)).accounts()
    assert account.runs == 1
    assert account.spent == pytest.approx(certificate["epsilon"])
    verdict = safegen.verify(
        tmp_path / "model" / "weights.safetensors", trust=made.root, ledger=tmp_path / "ledger.db"
    )
    assert verdict.state == "trusted"


OTHER_ORDER = """
import dataclasses, os, sys
import safegen
from safegen.data.sources import load
from safegen.pipeline.train import run

run.rehearse = run.rehearse_run = lambda *_: None  # it looks at no record
records = load("digits")
if os.environ["RANK"] == "1":
    records = dataclasses.replace(
        records, images=records.images[::-1].copy(), labels=records.labels[::-1].copy()
    )
safegen.train(records, out=sys.argv[1] + "/model", keys=sys.argv[2], device="cpu", steps=2,
              prior="none", ledger=sys.argv[1] + "/ledger.db", budget=sys.argv[1] + "/budget.db")
"""


def test_processes_with_records_in_another_order_are_refused(made, tmp_path):
    """Each owns units by their numbers: in two orders one record could belong to both."""
    program = tmp_path / "train.py"
    program.write_text(OTHER_ORDER)
    done = together(29615, program, tmp_path, made.keys)
    assert done.returncode != 0
    assert "in another order" in done.stderr
    assert not (tmp_path / "model" / "weights.safetensors").exists()


ENGINES = """
import sys
import numpy as np, torch
from torch import nn
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.execution.processes import process_group
from safegen.privacy.mechanism.sampling import SampledUnits

def engine_of(network, noise_multiplier):
    plan = PrivacyPlan(epsilon=8.0, delta=1e-4, units=1000, expected_batch_size=10, steps=50,
                       clipping_norm=1.0, noise_multiplier=noise_multiplier)
    return PrivateEngine(network, plan, torch.optim.SGD(network.parameters(), lr=1.0),
                         settings=Settings(processes=processes))

def step(name, noise_multiplier, width):
    network = nn.Linear(width, 1, bias=False)
    nn.init.zeros_(network.weight)
    engine = engine_of(network, noise_multiplier)
    rows = torch.zeros(1, width)
    rows[0, processes.rank] = 0.25 + 0.25 * processes.rank
    drawn = engine.draw().rows
    assert (drawn % processes.world == processes.rank).all()
    engine.step(SampledUnits(rows=np.arange(1), canaries=np.arange(0)), (rows,),
                lambda net, rows: net(rows).squeeze(1))
    keep(name, -10 * network.weight.detach().numpy().ravel())

def keep(name, numbers):
    np.save(f"{sys.argv[1]}/{name}-{processes.rank}.npy", numbers)

with process_group(torch.device("cpu")) as processes:
    step("exact", 1e-6, 5)
    step("noisy", 2.0, 20_000)
    engine = engine_of(nn.Linear(3, 1), 1.0)
    streams = engine._sampler._generator, engine._optimizer._noise
    keep("streams", np.concatenate([stream.standard_normal(5000) for stream in streams]))
"""


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """What two engines made that know of each other: by name and process."""
    folder = tmp_path_factory.mktemp("engines")
    (folder / "engines.py").write_text(ENGINES)
    done = together(29613, folder / "engines.py", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return lambda name: [np.load(folder / f"{name}-{rank}.npy") for rank in (0, 1)]


def test_sums_are_added_up_exactly_and_known_to_all(engines):
    first, second = engines("exact")
    assert np.array_equal(first, second)
    assert first == pytest.approx(np.array([0.25, 0.5, 0, 0, 0]), abs=1e-4)


def test_two_processes_share_no_stream(engines):
    from safegen.audit.repetition import repetitions

    drawn = np.concatenate(engines("streams"))
    assert min(each.p_value for each in repetitions(drawn)) > 1e-6


def test_noise_is_added_once(engines):
    noisy, _ = engines("noisy")
    assert noisy.std() == pytest.approx(2.0, rel=0.03)


def test_one_process_alone_needs_no_group():
    from safegen.privacy.execution.processes import Processes, process_group

    with process_group(torch.device("cpu")) as processes:
        assert processes == Processes()
        assert processes.broadcast("word") == "word"
        assert np.array_equal(processes.total(np.arange(3)), np.arange(3))
