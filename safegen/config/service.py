"""How a service listens, and how much it takes."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from safegen.arguments import require_types
from safegen.errors import InputError
from safegen.option import Spelled

BYTES_PER_MIB = 2**20  # bytes
MAX_UPLOAD_MEBIBYTES = 256  # no verification looks at more
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """How a service listens, and how much it takes.

    Attributes:
        host: the address to listen at; only this machine reaches the default.
        port: the port; 0 lets the system choose one.
        workers: processes that answer.
        jobs: files that each of them looks at at the same time; by default its share of the cores.
        max_upload: MiB that a request may have, of at most 256.
        max_files: files that a form may have.
        timeout: seconds that a request has to arrive in, and again to be begun with.
        allowed_hosts: a name that the service is reached by, as in the header Host; a leading `*.`
            stands for any in front. At the default host, names of this machine.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    jobs: int | None = None
    max_upload: Annotated[int, Spelled(value="MIB")] = 64
    max_files: int = 20
    timeout: Annotated[float, Spelled(value="SECONDS")] = 60.0
    allowed_hosts: Annotated[Sequence[str] | None, Spelled("--allowed-host")] = None

    def __post_init__(self) -> None:
        """Refuse what no service could be.

        Raises:
            InputError: naming the field, and what it may be.

        >>> ServiceConfig(port=70_000)
        Traceback (most recent call last):
        safegen.errors.InputError: port is 70000; choose from 0 to 65535
        """
        require_types(self)
        _require_range("port", self.port, 0, 65_535)
        _require_range("workers", self.workers, 1, 256)
        _require_range("max_upload", self.max_upload, 1, MAX_UPLOAD_MEBIBYTES)
        _require_range("max_files", self.max_files, 1, 1_000)
        _require_range("timeout", self.timeout, 1, 3_600)
        if self.jobs is not None:
            _require_range("jobs", self.jobs, 1, 256)
        if self.allowed_hosts is not None:
            object.__setattr__(self, "allowed_hosts", tuple(self.allowed_hosts))

    @property
    def max_body_bytes(self) -> int:
        """Bytes that a request may have."""
        return self.max_upload * BYTES_PER_MIB

    @property
    def host_names(self) -> tuple[str, ...]:
        """Names that the service is reached by; none where any will do."""
        if self.allowed_hosts is not None:
            return tuple(self.allowed_hosts)
        return LOOPBACK_NAMES if is_loopback(self.host) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationConfig:
    """What a service generates with, and for whom.

    Attributes:
        models: a package to generate from; without one, files are looked at and nothing else.
        keys: who signs: a folder made by `safegen keys init`, or a key's URI.
        access: where API keys are kept, from `safegen access add`: a file or a database URL.
        release_policy: a shipped policy's name, or a YAML file, that outputs must meet; `baseline`
            by default.
        timestamp_url: a time-stamp authority (RFC 3161) for every signature.
        max_outputs: outputs that a request may ask for.
        max_rate: requests a minute of each key, in each of the processes that answer.
    """

    models: Annotated[Sequence[str], Spelled("--model", value="PACKAGE")] = ()
    keys: Annotated[str | Path, Spelled(value="PATH")] = "keys"
    access: Annotated[str | Path, Spelled(value="PATH")] = "access.db"
    release_policy: Annotated[Sequence[str], Spelled("--release-policy", value="POLICY")] = ()
    timestamp_url: Annotated[str | None, Spelled("--time-stamps", value="URL")] = None
    max_outputs: int = 64
    max_rate: int = 30

    def __post_init__(self) -> None:
        """Refuse what no service could be.

        Raises:
            InputError: naming the field, and what it may be.
        """
        require_types(self)
        _require_range("max_outputs", self.max_outputs, 1, 256)
        _require_range("max_rate", self.max_rate, 1, 10_000)
        for name in ("models", "release_policy"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        names = [Path(each).name for each in self.models]
        if len(set(names)) < len(names):
            raise InputError("two models have the same folder's name, by which they are asked for")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _require_range(name: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; choose from {low} to {high}")
