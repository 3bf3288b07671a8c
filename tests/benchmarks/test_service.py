"""What a service verifies in a second at saturation, beside C2PA's bare reader on as many cores."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from safegen.verification.workers.process import usable_cores
from tests.web.conftest import running, until_ready

pytestmark = pytest.mark.benchmark

SECONDS = float(os.environ.get("SAFEGEN_BENCHMARK_SECONDS", "60"))
WORKERS = 2
CLIENTS_PER_CORE = 3
RAW = {"Content-Type": "application/octet-stream"}
BARE = """
import c2pa, io, sys, time
from safegen.provenance.c2pa.sdk import _context
from safegen.provenance.keys.trust import read_trust
context = _context(read_trust([sys.argv[1]]))
data = open(sys.argv[2], "rb").read()
until, done = time.monotonic() + float(sys.argv[3]), 0
while time.monotonic() < until:
    with c2pa.Reader("image/png", io.BytesIO(data), context=context) as reader:
        reader.json()
    done += 1
print(done)
"""


def bare_rate(root, file):
    """Files a second, by a process for each core."""
    command = [sys.executable, "-c", BARE, str(root), str(file), str(SECONDS)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(usable_cores())
    ]
    return sum(int(each.communicate()[0]) for each in processes) / SECONDS


def memory(pid):
    """Resident bytes of a process and of all that it started."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(memory(int(each)) for each in children)


def test_a_service_at_saturation(made, tmp_path):
    file = made.outputs / "0001.png"
    data, answers = file.read_bytes(), []

    def ask(url, until):
        with httpx2.Client(timeout=60) as client:
            while time.monotonic() < until:
                answer = client.post(f"{url}/v1/verify", content=data, headers=RAW)
                answers.append((answer.status_code, answer.json()["state"]))

    with running(tmp_path, "--trust", made.root, "--workers", WORKERS) as service:
        until_ready(service.url)
        until = time.monotonic() + SECONDS
        threads = [
            threading.Thread(target=ask, args=(service.url, until))
            for _ in range(CLIENTS_PER_CORE * usable_cores())
        ]
        for each in threads:
            each.start()
        time.sleep(SECONDS / 2)
        half = memory(service.process.pid)
        for each in threads:
            each.join()
        whole = memory(service.process.pid)
    bare = bare_rate(made.root, file)
    rate = len(answers) / SECONDS
    print(
        f"\n{rate:.1f} files a second over HTTP, {bare:.1f} by the bare reader: {rate / bare:.2f}; "
        f"memory {half / 2**20:.0f} MiB at half time, {whole / 2**20:.0f} at the end"
    )
    assert set(answers) == {(200, "trusted")}
    assert whole < 1.1 * half
