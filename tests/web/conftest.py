"""The service in this process, as one that listens, and files of every kind of trouble."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - dataclasses read it

import httpx2
import pytest
from PIL import Image
from starlette.testclient import TestClient

from safegen.config.service import ServiceConfig
from safegen.verification.options import VerificationOptions
from safegen.web.application import create_app


@pytest.fixture(scope="session")
def options(made) -> VerificationOptions:
    return VerificationOptions(trust=made.root, ledger=made.ledger)


@pytest.fixture(scope="module")
def client(options):
    """The service without a socket."""
    with asking(options) as client:
        yield client


@contextlib.contextmanager
def asking(options, **service):
    app = create_app(options, ServiceConfig(**service))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@dataclass(frozen=True)
class Running:
    """A service that listens, and its processes."""

    url: str
    process: subprocess.Popen
    log: Path

    def lines(self) -> str:
        return self.log.read_text()


@contextlib.contextmanager
def running(folder: Path, *arguments: object, **environment: str):
    """`safegen serve` with these arguments, until it is left."""
    log = folder / "log.txt"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "safegen", "serve", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | environment,
        )
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, log.read_text()
            yield Running(url=found[0], process=process, log=log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


@pytest.fixture(scope="session")
def service(made, tmp_path_factory):
    """A service with one process, for a browser and for whoever needs a real connection."""
    folder = tmp_path_factory.mktemp("service")
    with running(folder, "--trust", made.root, "--ledger", made.ledger) as found:
        until_ready(found.url)
        yield found


def until_ready(url: str) -> None:
    """Wait until it answers."""
    transport = httpx2.HTTPTransport(retries=8)
    with httpx2.Client(transport=transport, timeout=60) as client:
        assert client.get(f"{url}/readyz").status_code == 200


@pytest.fixture(scope="session")
def signed(made) -> bytes:
    return (made.outputs / "0001.png").read_bytes()


@pytest.fixture(scope="session")
def tampered(signed) -> bytes:
    """One bit of a pixel is another."""
    data = bytearray(signed)
    data[-30] ^= 1
    return bytes(data)


@pytest.fixture(scope="session")
def stripped(signed) -> bytes:
    """The same picture, saved by somebody who knows no manifests."""
    with Image.open(io.BytesIO(signed)) as picture:
        out = io.BytesIO()
        picture.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def hostile() -> dict[str, bytes]:
    return {
        "script.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "bomb.zip": b"PK\x03\x04" + zlib.compress(bytes(50_000_000), 9),
        "wide.png": _wide_png(),
        "<img src=x onerror=alert(1)>.txt": b"hello",
        "wrong type.jpg": b"%PDF-1.7\nnothing",
        "cut.png": b"\x89PNG\r\n\x1a\n\0\0",
    }


def _wide_png(side: int = 10_000) -> bytes:
    """A PNG of 10,000 pixels a side, in some kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(side * (1 + side // 8)), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium") or os.environ.get("SAFEGEN_TEST_CHROMIUM")
    if not found:
        pytest.skip("no browser here: install Debian's chromium, or set SAFEGEN_TEST_CHROMIUM")
    return found
