"""How long a user waits before anything happens: ratios to bare imports, in one run.

Machines are shared and noisy: each round runs every row in turn, and ratios are medians over the
rounds. Processor time stands beside wall time, and can be compared even where others compute.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits

pytestmark = pytest.mark.benchmark

ROUNDS = 5
# As an installed package is: compiled once, not at every start.
INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
LIBRARIES = ("-c", "import c2pa, pydantic, typer, rich")
TORCH = ("-c", "import torch")


def spent(command, environment):
    """Seconds of the clock and of processors that a command takes in a new process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *map(str, command)],
        check=False,
        capture_output=True,
        env=os.environ | INSTALLED | environment,
    )
    clock, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return clock, used


def compare(rows, bare, environment, prepare=None):
    """A table of medians, with ratios to the row `bare` of the same round."""
    taken = {name: [] for name in rows}
    for turn in range(ROUNDS + 1):
        for name, command in rows.items():
            if prepare is not None:
                prepare(name)
            found = spent(command, environment)
            if turn:  # the first round compiles
                taken[name].append(found)
    print(f"\n| what | clock, s | processor, s | clock / {bare} | processor / {bare} |")
    print("| --- | --- | --- | --- | --- |")
    for name, found in taken.items():
        clock, used = (statistics.median(each) for each in zip(*found, strict=True))
        pairs = list(zip(found, taken[bare], strict=True))
        by_clock, by_use = (statistics.median(a[i] / b[i] for a, b in pairs) for i in range(2))
        print(f"| {name} | {clock:.2f} | {used:.2f} | {by_clock:.2f} | {by_use:.2f} |", flush=True)


def test_verifying(made, tmp_path):
    file, cache = made.outputs / "0001.png", tmp_path / "cache"
    verify = ("-m", "safegen", "verify", file, "--trust", made.root)
    rows = {
        "libraries": LIBRARIES,
        "bare c2pa reader": ("-c", f"import c2pa; c2pa.Reader({str(file)!r}).json()"),
        "verify, recomputed before": verify,
        "verify, the first time": verify,
    }

    def forget(name):
        if name.endswith("first time"):
            shutil.rmtree(cache, ignore_errors=True)

    compare(rows, "libraries", {"SAFEGEN_CACHE": str(cache)}, forget)


def test_help_and_cheap_mistakes(made, tmp_path):
    """None of these loads torch."""
    none = tmp_path / "none"
    safegen = ("-m", "safegen")
    rows = {
        "python": ("-c", "pass"),
        "import safegen": ("-c", "import safegen"),
        "--help": (*safegen, "--help"),
        "verify, no such file": (*safegen, "verify", none),
        "verify, no such option": (*safegen, "verify", "--nope"),
        "sign, no such file": (*safegen, "sign", none, "--keys", made.keys),
        "explain, no such file": (*safegen, "explain", none),
        "generate, no such package": (*safegen, "generate", none, "--out", none),
        "audit, no such package": (*safegen, "audit", none),
        "evaluate, no such package": (*safegen, "evaluate", none, "--data", "digits"),
        "train, epsilon of 0": (*safegen, "train", "digits", "--out", none, "--epsilon", 0),
        "train, no such data": (*safegen, "train", "nothing", "--out", none),
    }
    compare(rows, "python", {})


def test_a_budget_without_room_refuses(tmp_path):
    budget, data = tmp_path / "budget.db", tmp_path / "digits.npz"
    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8) * 255 / 16).astype("uint8")
    np.savez(data, train_images=pixels, train_labels=labels)
    total = ("-m", "safegen", "budget", "set", data, "--epsilon", 1, "--budget", budget)
    subprocess.run([sys.executable, *map(str, total)], check=True, capture_output=True)
    asked = (
        "train",
        data,
        "--size",
        32,
        "--out",
        tmp_path / "out",
        "--epsilon",
        8,
        "--budget",
        budget,
    )
    done = subprocess.run(
        [sys.executable, "-m", "safegen", *map(str, asked)], capture_output=True, check=False
    )
    assert done.returncode == 3, done.stderr
    compare({"import torch": TORCH, "refusal": ("-m", "safegen", *asked)}, "import torch", {})
