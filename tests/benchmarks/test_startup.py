"""How long a user waits before anything happens: ratios to a bare interpreter, in one run."""

import os
import shutil
import statistics
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.benchmark

ROUNDS = 7


def seconds(*command, prepare=lambda: None, **environment):
    """Median wall time of a command in a new process."""
    taken = []
    for _ in range(ROUNDS):
        prepare()
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, *map(str, command)],
            check=True,
            capture_output=True,
            env=os.environ | environment,
        )
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def test_startup(made, tmp_path):
    file, cache = made.outputs / "0001.png", tmp_path / "cache"
    verify = ("-m", "safegen", "verify", file, "--trust", made.root)
    reading = f"import c2pa; c2pa.Reader({str(file)!r}).json()"
    rows = {
        "python": seconds("-c", "pass"),
        "import safegen": seconds("-c", "import safegen"),
        "bare c2pa reader": seconds("-c", reading),
        "verify, recomputed before": seconds(*verify, SAFEGEN_CACHE=str(cache)),
        "verify, the first time": seconds(
            *verify,
            prepare=lambda: shutil.rmtree(cache, ignore_errors=True),
            SAFEGEN_CACHE=str(cache),
        ),
    }
    bare = rows["python"]
    print("\n| what | seconds | over a bare interpreter |\n| --- | --- | --- |")
    for name, taken in rows.items():
        print(f"| {name} | {taken:.2f} | {taken / bare:.1f} |")
