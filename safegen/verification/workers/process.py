"""A process that looks at files: how it is started and told, and kept for the next verification.

Starting one takes a hundred times as long as looking at a picture. So one that has answered
everything is kept, and whoever verifies next in the same surroundings (`_Surroundings`) tells it
what to do instead of starting another. It waits without any work, and ends with this process.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from safegen.errors import SafegenError
from safegen.location import locate
from safegen.verification.workers.fork import Fork, can_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.provenance.keys.trust import Trust, TrustList
    from safegen.provenance.log.revocation import BelievedList

READY = b'"ready"\n'
LISTS = ("signers", "time_stamps", "identities", "witnesses")  # of a `Trust`
COMMAND = (
    "-c",
    (
        "import sys; sys.path[:] = sys.argv[1:]; "
        "from safegen.verification.workers.worker import main; main()"
    ),
)


def _here() -> str:
    """The folder that we are in, or one that is there where that is gone."""
    try:
        return os.getcwd()  # noqa: PTH109 - a text, whatever its bytes
    except OSError:
        return "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is the same for all files of a verification.

    Attributes:
        trust: the lists that were given, or None.
        ledgers: the logs' paths or URLs.
        strict: whether what is otherwise a warning fails.
        released: whether a file fails of which nothing shows that it was released.
        revoked: revocation lists, read and believed.
        discreet: whether logs are called by the last part of their location alone.
        detailed: whether what each manifest says is told as well.
        folder: where relative paths begin.
    """

    trust: Trust | None
    ledgers: tuple[str, ...] = ()
    strict: bool = False
    released: bool = False
    revoked: tuple[BelievedList, ...] = ()
    discreet: bool = False
    detailed: bool = False
    folder: str = field(default_factory=_here)

    @property
    def offline(self) -> bool:
        """Whether nothing that was named needs a network: only a ledger can be on a server."""
        return all(isinstance(locate(each), Path) for each in self.ledgers)

    def to_line(self) -> bytes:
        """One line that a process is told."""
        trust = self.trust
        lists = trust and {name: _told(getattr(trust, name)) for name in LISTS}
        return line(
            {
                "trust": lists,
                "ledgers": self.ledgers,
                "strict": self.strict,
                "released": self.released,
                "revoked": [(each.name, each.content.model_dump_json()) for each in self.revoked],
                "discreet": self.discreet,
                "detailed": self.detailed,
                "folder": self.folder,
            }
        )

    @classmethod
    def from_line(cls, line: bytes) -> Task:
        """What `to_line` wrote."""
        from safegen.provenance.keys.trust import Trust
        from safegen.provenance.log.revocation import BelievedList
        from safegen.schemas.revocation import RevocationList

        said = json.loads(line)
        lists = said["trust"]
        return cls(
            trust=lists and Trust(**{name: _heard(lists[name]) for name in LISTS}),
            ledgers=tuple(said["ledgers"]),
            strict=said["strict"],
            released=said["released"],
            revoked=tuple(
                BelievedList(name=name, content=RevocationList.model_validate_json(content))
                for name, content in said["revoked"]
            ),
            discreet=said["discreet"],
            detailed=said["detailed"],
            folder=said["folder"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Surroundings:
    """What a process has from the one that started it; another must not find it otherwise."""

    variables: tuple[tuple[str, str], ...] = field(
        default_factory=lambda: tuple(sorted(os.environ.items()))
    )
    modules: tuple[str, ...] = field(default_factory=lambda: tuple(sys.path))
    command: tuple[str, ...] = field(default_factory=lambda: COMMAND)


@dataclass(eq=False, slots=True, kw_only=True)
class Process:
    """A process, the files that it was given, and since when it looks at the first of them.

    Attributes:
        popen: the process itself.
        heard: where its answers go, line by line; an empty line when it has ended.
        given: numbers of the files that it has not answered yet.
        since: when it began with the first of them, by the monotonic clock.
        ready: whether it heard the present task.
        offline: whether it has no network; None before its first task.
        surroundings: in which it was started.
    """

    popen: subprocess.Popen[bytes] | Fork
    heard: queue.SimpleQueue[tuple[Process, bytes]]
    given: deque[int] = field(default_factory=deque)
    since: float = field(default_factory=time.monotonic)
    ready: bool = False
    offline: bool | None = None
    surroundings: _Surroundings = field(default_factory=_Surroundings)
    _relay: threading.Thread | None = None

    @classmethod
    def start(cls) -> Process:
        """Start one.

        Raises:
            SafegenError: the system does not let us.
        """
        quiet = None if os.environ.get("SAFEGEN_DEBUG") else subprocess.DEVNULL
        try:
            popen = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, *COMMAND, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=quiet,
            )
        except OSError as error:
            raise SafegenError(f"cannot start a process to verify with: {error}") from error
        return cls._listening(popen)

    @classmethod
    def fork(cls, work: Callable[[], None]) -> Process:
        """Copy this one, where `can_fork` says that it can be.

        Args:
            work: what the copy does, as `Fork` is told.

        Raises:
            SafegenError: the system does not let us.
        """
        try:
            return cls._listening(Fork(work))
        except OSError as error:
            raise SafegenError(f"cannot start a process to verify with: {error}") from error

    @classmethod
    def _listening(cls, popen: subprocess.Popen[bytes] | Fork) -> Process:
        process = cls(popen=popen, heard=queue.SimpleQueue())
        assert popen.stdout is not None
        process._relay = threading.Thread(target=_relay, args=(process, popen.stdout), daemon=True)
        process._relay.start()
        return process

    def begin(self, task: Task, heard: queue.SimpleQueue[tuple[Process, bytes]]) -> bool:
        """Tell it a task, and where to answer; False when it has ended meanwhile."""
        self.heard = heard  # before the question below, so that one or the other tells of its end
        self.offline, self.ready, self.since = task.offline, False, time.monotonic()
        self.say(task.to_line())
        return self.popen.poll() is None

    def say(self, line: bytes) -> None:
        """Tell it something."""
        assert self.popen.stdin is not None
        with contextlib.suppress(OSError):  # it ended; that will be heard
            self.popen.stdin.write(line)
            self.popen.stdin.flush()

    def fits(self, task: Task) -> bool:
        """Whether it would do what a new process does for a task."""
        return self.offline in {None, task.offline} and self.surroundings == _Surroundings()

    def end(self) -> None:
        """End it, whatever it is at, and let go of it."""
        self.popen.kill()
        self.popen.wait()
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):  # what it was not told any more
                self.popen.stdin.close()
        if self._relay is not None:
            self._relay.join()


class _Idle:
    """Processes that wait; at most as many as can run at the same time."""

    def __init__(self) -> None:
        self._waiting: list[Process] = []
        self._foreign: list[Process] = []  # kept, or Python would complain that they go on
        self._lock = threading.Lock()

    def take(self, task: Task) -> Process | None:
        """One that fits, if there is any."""
        with self._lock:
            for process in self._waiting:
                if process.fits(task):
                    self._waiting.remove(process)
                    return process
        return None

    def keep(self, process: Process) -> None:
        """Let one wait, in the place of the one that waits longest where there is no room."""
        with self._lock:
            self._waiting.append(process)
            dismissed = self._waiting[: -usable_cores()]
            del self._waiting[: -usable_cores()]
        for each in dismissed:
            each.end()

    def shutdown(self) -> None:
        """End all of them."""
        with self._lock:
            dismissed, self._waiting = self._waiting, []
        for each in dismissed:
            each.end()

    def forget(self) -> None:
        """After a fork: they are the other's, and whoever held the lock is not here."""
        self._foreign, self._waiting, self._lock = self._waiting, [], threading.Lock()


idle = _Idle()
atexit.register(idle.shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=idle.forget)


def acquire(task: Task, heard: queue.SimpleQueue[tuple[Process, bytes]]) -> Process:
    """A process that was told a task: one that waited, or a new one.

    Raises:
        SafegenError: none can be started.
    """
    while (process := idle.take(task)) is not None:
        if process.begin(task, heard):
            return process
        process.end()
    process = Process.start()
    process.begin(task, heard)
    return process


def warm(work: Callable[[], None]) -> None:
    """Have a process before it is known what it is for, while this one still prepares.

    Args:
        work: what a process does, when this one is copied (`workers.worker.main`).

    Raises:
        SafegenError: the system does not let us.
    """
    idle.keep(Process.fork(work) if can_fork() else Process.start())


def usable_cores() -> int:
    """How many processes can run at the same time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def line(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON holds
    """One line of JSON."""
    return json.dumps(value).encode() + b"\n"


def _relay(process: Process, answers: IO[bytes]) -> None:
    """Pass on what a process says, in a thread of its own; an empty line when it has ended."""
    with contextlib.suppress(OSError, ValueError), answers:  # it may be dismissed meanwhile
        for answer in answers:
            process.heard.put((process, answer))
    process.heard.put((process, b""))


def _told(lists: tuple[TrustList, ...]) -> list[tuple[str, str, list[str]]]:
    return [(each.name, each.pem.decode("latin-1"), list(each.issuers)) for each in lists]


def _heard(lists: list[tuple[str, str, list[str]]]) -> tuple[TrustList, ...]:
    from safegen.provenance.keys.trust import TrustList

    return tuple(
        TrustList(name=name, pem=pem.encode("latin-1"), issuers=tuple(issuers))
        for name, pem, issuers in lists
    )
