"""Releases for whoever has a key: made by a process of its own, which alone loads torch."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from safegen import errors
from safegen.errors import InputError, RequestError, SafegenError
from safegen.schemas.canonical import digest
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.config import PackageConfig, PackageDigests
from safegen.schemas.names import CERTIFICATE, CONFIG, DIGESTS
from safegen.storage import read
from safegen.web.access import Access
from safegen.web.problems import ProblemError, busy

if TYPE_CHECKING:
    from safegen.config.service import GenerationConfig
    from safegen.verification.options import VerificationOptions

GENERATING_PROGRAM = "from safegen.pipeline.generate.served import main; main()"
MAX_WAITING_RELEASES = 8  # that wait while another is made
RATE_SECONDS = 60.0


class Generating:
    """Models of a service, and who may ask them."""

    def __init__(self, generation: GenerationConfig, ledger: str) -> None:
        self._generation, self._ledger = generation, ledger
        self.packages = {Path(each).name: Path(each) for each in generation.models}
        self._access = Access(generation.access)
        self._rates = Rates(generation.max_rate)
        self._process: subprocess.Popen[bytes] | None = None
        self._alone = threading.Lock()
        self._limiter = anyio.CapacityLimiter(1)

    async def actor_of(self, authorization: str | None) -> str:
        """Who asks, by the header Authorization; one request of theirs is counted.

        Raises:
            ProblemError: nobody who is known, or one who asks too often.
            StorageError: keys cannot be read.
        """
        scheme, _, key = (authorization or "").partition(" ")
        actor = None
        if scheme.lower() == "bearer" and key:
            actor = await anyio.to_thread.run_sync(self._access.actor_of, key.strip())
        if actor is None:
            raise ProblemError("no-key", headers={"WWW-Authenticate": "Bearer"})
        self._rates.count(key.strip())
        return actor

    def require_moderate(self, count: int) -> None:
        """Refuse more outputs than a request may have.

        Raises:
            ProblemError: there are more.
        """
        most = self._generation.max_outputs
        if count > most:
            raise ProblemError("invalid", f"A request may ask for {most} outputs.")

    async def release(self, asked: dict[str, Any]) -> bytes:
        """Make a release; it is logged when this returns, whoever waits for it.

        Args:
            asked: of `pipeline.generate.served`, without a folder.

        Returns:
            A zip of outputs, receipts and explanations.

        Raises:
            ProblemError: there is no such model, the policy says no, or too many wait.
            SafegenError: it could not be made.
        """
        if asked["model"] not in self.packages:
            raise ProblemError("no-model", f"The models are {', '.join(self.packages)}.")
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING_RELEASES:
            raise busy("Too many releases wait to be made.")
        return await anyio.to_thread.run_sync(self._release, asked, limiter=self._limiter)

    def close(self) -> None:
        """Let the process end when it has finished."""
        with self._alone:
            self._end()

    def _release(self, asked: dict[str, Any]) -> bytes:
        with tempfile.TemporaryDirectory(prefix="safegen-release-") as folder:
            answer = self._ask({**asked, "folder": folder})
            if "error" in answer:
                raise _refusal(answer)
            return _zipped(Path(folder))

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        with self._alone:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except OSError:
                line = b""
            if not line:
                process.kill()
                self._end()
                raise SafegenError(
                    "the process that generates ended; the next request gets another"
                )
            answer: dict[str, Any] = json.loads(line)
            return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # it was not told everything
            process.stdin.close()
        process.wait()
        process.stdout.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, "-c", GENERATING_PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for whoever waits for it
            )
            settings = {
                "models": {name: str(path) for name, path in self.packages.items()},
                "keys": str(self._generation.keys),
                "ledger": self._ledger,
                "timestamp_url": self._generation.timestamp_url,
                "policy": list(self._generation.release_policy or ("baseline",)),
            }
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(settings).encode() + b"\n")
        return self._process


class Rates:
    """How often each key asks, in a minute; each process of a service counts for itself."""

    def __init__(self, max_rate: int) -> None:
        self._max_rate = max_rate
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)

    def count(self, key: str) -> None:
        """Count a request.

        Raises:
            ProblemError: there were as many as there may be.
        """
        now, times = time.monotonic(), self._times[key]
        while times and now - times[0] > RATE_SECONDS:
            times.popleft()
        if len(times) >= self._max_rate:
            wait = str(1 + int(RATE_SECONDS - (now - times[0])))
            text = f"A key may ask {self._max_rate} times a minute."
            raise ProblemError("too-often", text, headers={"Retry-After": wait})
        times.append(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A model, as its package says."""

    name: str
    digest: str
    epsilon: float
    delta: float
    classes: tuple[str, ...]


def described_model(name: str, folder: Path) -> Described:
    """What a package says of itself; it is checked when something is asked of it.

    Raises:
        StorageError: it cannot be read.
    """
    config = PackageConfig.model_validate_json(read(folder / CONFIG))
    certificate = PrivacyCertificate.model_validate_json(read(folder / CERTIFICATE))
    stated = json.loads(read(folder / DIGESTS))
    digests = PackageDigests.model_validate(stated["model"])
    return Described(
        name=name,
        digest=digest(digests),
        epsilon=certificate.epsilon,
        delta=certificate.delta,
        classes=config.data.classes,
    )


def _refusal(answer: dict[str, Any]) -> Exception:
    """What the process answered instead of a release."""
    name, message = answer["error"], answer["message"]
    if name == "Refused":
        return ProblemError("refused", message, more={"decision": answer["decision"]})
    if name == "RevokedError":
        return ProblemError("revoked")
    kind = getattr(errors, name, SafegenError)
    known = isinstance(kind, type) and issubclass(kind, SafegenError)
    return (
        RequestError(message)
        if kind is RequestError
        else (kind if known else SafegenError)(message)
    )


def _zipped(folder: Path) -> bytes:
    """All files of a folder; pictures and weights are as small as they get already."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return out.getvalue()


def first_ledger(options: VerificationOptions) -> str:
    """The log that releases are written to: the first that verification asks.

    Raises:
        InputError: none is named.
    """
    named = options.ledger
    several = (named,) if isinstance(named, str | Path) else tuple(named or ())
    if not several:
        raise InputError("whatever is generated is logged: name a ledger with --ledger")
    return str(several[0])


def require_generating(options: VerificationOptions, generation: GenerationConfig) -> None:
    """See, before anything listens, that there is what generating needs; its files, not torch.

    Raises:
        InputError: no ledger is named, or a folder is no package.
        StorageError: a package or keys cannot be read.
    """
    if not generation.models:
        return
    first_ledger(options)
    for each in generation.models:
        try:
            described_model(Path(each).name, Path(each))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{each} is no model package; name a folder from `train`") from error
    Access(generation.access)
