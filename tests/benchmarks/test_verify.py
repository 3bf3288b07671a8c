"""What verifying costs over C2PA's bare reader, on the same files with the same lists of trust.

Machines are shared and noisy: the two sides take turns, ratios are medians over the rounds, and
processor time stands beside wall time.
"""

import io
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import c2pa
import pytest

import safegen
from safegen.provenance.c2pa.claims import Claim
from safegen.provenance.c2pa.manifest import sign
from safegen.provenance.c2pa.sdk import _context
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.keys.trust import read_trust
from safegen.verification.one_file import verify_file
from safegen.verification.workers.process import usable_cores

pytestmark = pytest.mark.benchmark

FILES = 800  # in the tree
TURNS = 200  # of one file each, on one core
ROUNDS = 3  # of the whole tree, on all cores
CREATED = {
    "label": "c2pa.actions.v2",
    "created": True,
    "data": {
        "allActionsIncluded": True,
        "actions": [
            {
                "action": "c2pa.created",
                "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/"
                "trainedAlgorithmicMedia",
            }
        ],
    },
}
BARE = """
import c2pa, io, sys
from safegen.provenance.c2pa.sdk import _context
from safegen.provenance.keys.trust import read_trust
context = _context(read_trust([sys.argv[1]]))
for line in sys.stdin:
    with open(line.rstrip("\\n"), "rb") as file:
        data = file.read()
    with c2pa.Reader("image/png", io.BytesIO(data), context=context) as reader:
        reader.json()
"""


@pytest.fixture(scope="module")
def released(made, tmp_path_factory):
    """Outputs with their receipts, as they were released, many times over."""
    folder = tmp_path_factory.mktemp("released")
    for number in range(FILES):
        name = f"000{number % 4 + 1}"
        for suffix in (".png", ".receipt.json"):
            shutil.copy(made.outputs / f"{name}{suffix}", folder / f"{number}{suffix}")
    return folder


@pytest.fixture(scope="module")
def bare_signed(made, tmp_path_factory):
    """Pictures with nothing but a signature."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("bare")
    file = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(file, "PNG")
    claim = Claim(title="a.png", mime="image/png", assertions=(CREATED,), ingredients=())
    data, _ = sign(file.getvalue(), claim, open_signer(made.keys))
    for number in range(FILES):
        (folder / f"{number}.png").write_bytes(data)
    return folder


def spent():
    """Seconds of the clock, and of processors, here and in processes that ended."""
    own, ended = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    used = sum(use.ru_utime + use.ru_stime for use in (own, ended))
    return time.perf_counter(), used


def cost(work):
    before = spent()
    work()
    return [after - at for after, at in zip(spent(), before, strict=True)]


def ratios(pairs):
    """Medians of ours over bare: by the clock, and by the processor."""
    return [statistics.median(o[i] / b[i] for b, o in pairs) for i in range(2)]


def one_core(folder, root):
    trust = read_trust([root])
    context = _context(trust)
    files = sorted(folder.glob("*.png"))

    def bare(path):
        data = path.read_bytes()
        with c2pa.Reader("image/png", io.BytesIO(data), context=context) as reader:
            reader.json()

    pairs = []
    for turn in range(TURNS + 10):
        path = files[turn % len(files)]
        pair = cost(lambda: bare(path)), cost(lambda: verify_file(path, trust))  # noqa: B023
        if turn >= 10:  # the first turns warm up
            pairs.append(pair)
    milliseconds = statistics.median(b[1] for b, _ in pairs) * 1000
    return milliseconds, ratios(pairs)


def bare_on_all_cores(files, root):
    cores = usable_cores()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", BARE, root],
            stdin=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(cores)
    ]
    for number, process in enumerate(started):
        process.stdin.write("".join(f"{path}\n" for path in files[number::cores]))
        process.stdin.close()
    for process in started:
        assert process.wait() == 0


def all_cores(folder, root):
    files = sorted(folder.glob("*.png"))
    pairs = [
        (
            cost(lambda: bare_on_all_cores(files, root)),
            cost(lambda: safegen.verify_tree(files, trust=root)),
        )
        for _ in range(ROUNDS)
    ]
    milliseconds = statistics.median(b[1] for b, _ in pairs) * 1000 / len(files)
    return milliseconds, ratios(pairs)


def test_verifying_over_the_bare_reader(made, released, bare_signed):
    print("\n| files | cores | bare, ms of a processor | ours / bare, clock | processor |")
    print("| --- | --- | --- | --- | --- |")
    for name, folder in {"as released": released, "bare signed": bare_signed}.items():
        for cores, measure in {"one": one_core, f"all {usable_cores()}": all_cores}.items():
            milliseconds, (clock, processor) = measure(Path(folder), str(made.root))
            print(
                f"| {name} | {cores} | {milliseconds:.2f} | {clock:.2f} | {processor:.2f} |",
                flush=True,
            )
