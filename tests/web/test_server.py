"""`safegen serve` as processes: signals, workers that are killed, clients that hang up."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from safegen.cli import main
from tests.web.conftest import running, until_ready

RAW = {"Content-Type": "application/octet-stream"}


def children(pid):
    """Processes that a process started, from /proc."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in found.split()]


def test_a_server_that_only_verifies_loads_no_torch(service, signed):
    httpx2.post(f"{service.url}/v1/verify", content=signed, headers=RAW, timeout=60)
    for pid in (service.process.pid, *children(service.process.pid)):
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()


def test_whoever_hangs_up_harms_nobody(service, signed):
    host, port = service.url.removeprefix("http://").split(":")
    for sent in (b"", signed[:100]):
        with socket.create_connection((host, int(port))) as connection:
            head = (
                f"POST /v1/verify HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(signed)}\r\n\r\n"
            )
            connection.sendall(head.encode() + sent)
    until_ready(service.url)
    deadline = time.monotonic() + 20
    while service.lines().count('"status": 499') < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert service.lines().count('"status": 499') >= 2
    assert "failed" not in service.lines()


def test_a_server_answers_what_it_began_before_it_ends(made, signed, tmp_path):
    with running(tmp_path, "--trust", made.root) as found:
        until_ready(found.url)
        answers = []

        def slowly():
            yield signed[:1000]
            found.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            yield signed[1000:]

        def ask():
            answers.append(
                httpx2.post(f"{found.url}/v1/verify", content=slowly(), headers=RAW, timeout=60)
            )

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(60)
        assert answers[0].json()["state"] == "trusted"
        assert found.process.wait(30) == 0
        assert '"event": "stopped"' in found.lines()


def test_a_killed_worker_is_replaced_and_numbers_are_added_up(made, signed, tmp_path):
    with running(tmp_path, "--trust", made.root, "--workers", 2) as found:
        until_ready(found.url)
        workers = [
            pid
            for pid in children(found.process.pid)
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        deadline, states = time.monotonic() + 60, []
        while len(states) < 8 and time.monotonic() < deadline:
            try:
                answer = httpx2.post(
                    f"{found.url}/v1/verify", content=signed, headers=RAW, timeout=60
                )
                states.append(answer.json()["state"])
            except httpx2.TransportError:
                time.sleep(0.2)
        assert states == 8 * ["trusted"]
        while "died" not in found.lines() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert "died" in found.lines()
        numbers = httpx2.get(f"{found.url}/metrics", timeout=60).text
        assert 'safegen_verdicts_total{state="trusted"} 8.0' in numbers
        assert "safegen_requests_in_flight 1.0" in numbers
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--trust", "no-such.pem"], 2, "no-such.pem"),
        (["--ledger", "no/such/ledger.db"], 2, "ledger.db"),
        (["--policy", "no-such-policy"], 2, "no-such-policy"),
        (["--port", "99999"], 2, "port is 99999"),
        (["--host", "203.0.113.77"], 2, "cannot listen at 203.0.113.77"),
    ],
)
def test_what_cannot_start_says_why(tmp_path, monkeypatch, capsys, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["safegen", "serve", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    complaint = capsys.readouterr().err
    assert said in complaint
    assert "Traceback" not in complaint


def test_a_port_that_is_taken(tmp_path, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["safegen", "serve", "--port", port])
        with pytest.raises(SystemExit) as left:
            main()
    assert left.value.code == 2
    assert re.search("address already in use; choose another", capsys.readouterr().err)


def test_without_the_extra_the_way_to_install_it_is_told():
    code = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv = ['safegen', 'serve'];"
        "from safegen.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'safegen[web]'" in done.stderr.replace("\n", " ")
