"""Verification in processes of their own: all cores at work, and no file harms another's verdict.

C2PA's reader is native code on strangers' bytes. A file that breaks it down takes one process with
it, a file that keeps it busy too long has its process ended, and a file that wants too much memory
gets none; each is called unreadable, and a new process goes on with the next. Threads would be as
quick to read but share their fate, and a fork would break the reader's own threads and settings.

Each process is asked by lines of JSON, some files ahead, and answers in the same order.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from safegen import errors
from safegen.errors import SafegenError
from safegen.schemas.inspection import Inspection
from safegen.schemas.verdict import Verdict
from safegen.verification.discovery import too_large
from safegen.verification.unread import MAX_FILE_BYTES, unread
from safegen.verification.workers.limits import TOO_LONG_TEXT
from safegen.verification.workers.process import READY, Process, Task, acquire, idle, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.progress import Progress
    from safegen.verification.upload import Upload

TIMEOUT_SECONDS = 60.0  # seconds for one file, of which only ten may be the processor's
MAX_QUEUED_FILES = 16  # files that a process is given before it has answered
MIN_FILES_PER_PROCESS = 8  # files that are worth starting one more process for
_OUT_OF_TIME = getattr(signal, "SIGXCPU", 0)


def verify_apart(
    files: Sequence[Path | Upload], task: Task, *, jobs: int, patience: float, progress: Progress
) -> tuple[Verdict, ...]:
    """The verdicts of `inspect_apart`."""
    found = inspect_apart(files, task, jobs=jobs, patience=patience, progress=progress)
    return tuple(each.verdict for each in found)


def inspect_apart(
    files: Sequence[Path | Upload], task: Task, *, jobs: int, patience: float, progress: Progress
) -> tuple[Inspection, ...]:
    """Verify files in processes of their own.

    Args:
        files: what to look at.
        task: trust, ledger, strictness.
        jobs: processes at most; fewer are started for few files.
        patience: seconds for one file.
        progress: told after each file.

    Returns:
        A verdict for each file, in their order, and what its manifest says where the task asks.

    Raises:
        SafegenError: what a process raised, such as that the ledger cannot be read; or that none
            can be started.
    """
    pool = _WorkerPool(files, task, patience, progress)
    try:
        return pool.run(min(jobs, 1 + len(files) // MIN_FILES_PER_PROCESS))
    finally:
        pool.shutdown()


class _WorkerPool:
    """The processes of one verification, and what is left to do."""

    def __init__(
        self,
        files: Sequence[Path | Upload],
        task: Task,
        patience: float,
        progress: Progress,
    ) -> None:
        self._files, self._task, self._patience = files, task, patience
        self._progress = progress
        self._left = deque(range(len(files)))
        self._sizes: dict[int, int] = {}  # of the files that are being looked at
        self._found: dict[int, Inspection] = {}
        self._workers: list[Process] = []
        self._heard: queue.SimpleQueue[tuple[Process, bytes]] = queue.SimpleQueue()

    def run(self, jobs: int) -> tuple[Inspection, ...]:
        """Ask and listen until there is a verdict for every file."""
        self._refuse_the_large()
        for _ in range(jobs):
            self._spawn()
        while len(self._found) < len(self._files):
            try:
                worker, answer = self._heard.get(timeout=self._time_left())
            except queue.Empty:
                self._end_timed_out()
                continue
            if worker in self._workers:  # those that were ended are not listened to
                self._listen(worker, answer)
        return tuple(self._found[number] for number in range(len(self._files)))

    def shutdown(self) -> None:
        """Let those wait that have answered everything, and end the others."""
        for worker in self._workers:
            if worker.ready and not worker.given:
                idle.keep(worker)
            else:
                worker.end()
        self._workers.clear()

    def _refuse_the_large(self) -> None:
        """Those in memory; of others, the process that opens them sees how large they are."""
        for number in list(self._left):
            file = self._files[number]
            if not isinstance(file, Path) and len(file.data) > MAX_FILE_BYTES:
                text = too_large(len(file.data), MAX_FILE_BYTES)
                self._left.remove(number)
                found = _unread(file, "safegen.manifest.too-large", text)
                self._settle(number, found)

    def _spawn(self) -> None:
        self._workers.append(acquire(self._task, self._heard))

    def _listen(self, worker: Process, answer: bytes) -> None:
        if not answer:
            self._on_exit(worker)
            return
        if answer == READY:
            worker.ready = True
        elif answer.startswith(b'{"error"'):
            said = json.loads(answer)
            raise getattr(errors, said["error"], SafegenError)(said["message"])
        else:
            self._settle(worker.given.popleft(), self._read(answer))
        worker.since = time.monotonic()
        for each in self._workers:
            self._give(each)

    def _give(self, worker: Process) -> None:
        """Give a process files to look at; all of them together fit in memory."""
        share = len(self._left) // (2 * len(self._workers)) + 1  # so that all end together
        while self._left and worker.ready and len(worker.given) < min(MAX_QUEUED_FILES, share):
            number = self._left[0]
            size = _size(self._files[number])
            if self._sizes and sum(self._sizes.values()) + size > MAX_FILE_BYTES:
                return
            self._left.popleft()
            self._sizes[number] = size
            if not worker.given:
                worker.since = time.monotonic()
            worker.given.append(number)
            worker.say(_question(self._files[number]))

    def _on_exit(self, worker: Process) -> None:
        """A process ended by itself; the file that it was looking at did that."""
        status = worker.popen.wait()
        if not worker.ready:
            raise SafegenError(
                f"a process to verify with ended before it began ({_ending(status)}); set "
                "SAFEGEN_DEBUG=1 to see why"
            )
        if status == -_OUT_OF_TIME:
            self._replace(worker, "safegen.manifest.too-long", TOO_LONG_TEXT)
            return
        text = (
            f"Looking at it broke C2PA's reader down, or took more memory than a file may take "
            f"({_ending(status)})."
        )
        self._replace(worker, "safegen.manifest.crashed", text)

    def _end_timed_out(self) -> None:
        now = time.monotonic()
        for worker in [each for each in self._workers if now - each.since >= self._patience]:
            if not worker.ready:
                raise SafegenError("a process to verify with does not begin; is the machine busy?")
            if worker.given:
                text = f"Looking at it was stopped after {self._patience:.0f} seconds."
                self._replace(worker, "safegen.manifest.too-long", text)
            else:
                worker.since = now

    def _replace(self, worker: Process, code: str, text: str) -> None:
        """Blame the first file that a process was given; the others are given to a new one."""
        self._workers.remove(worker)
        worker.end()
        if worker.given:
            number = worker.given.popleft()
            self._settle(number, _unread(self._files[number], code, text))
        for number in reversed(worker.given):
            self._sizes.pop(number)
            self._left.appendleft(number)
        if self._left:
            self._spawn()

    def _read(self, answer: bytes) -> Inspection:
        if self._task.detailed:
            return Inspection.model_validate_json(answer)
        return Inspection(verdict=Verdict.model_validate_json(answer))

    def _settle(self, number: int, found: Inspection) -> None:
        self._found[number] = found
        self._sizes.pop(number, None)
        self._progress("verifying", len(self._found), len(self._files))

    def _time_left(self) -> float:
        first = min(worker.since for worker in self._workers)
        return max(0.0, first + self._patience - time.monotonic())


def _size(file: Path | Upload) -> int:
    """Bytes that looking at a file holds; one that is too large is not read at all."""
    try:
        size = file.stat().st_size if isinstance(file, Path) else len(file.data)
    except (OSError, ValueError):
        return 0
    return size if size <= MAX_FILE_BYTES else 0


def _question(file: Path | Upload) -> bytes:
    """What a process is asked: a path, or a name, and the bytes behind it."""
    if isinstance(file, Path):
        return line(os.fspath(file))
    return line({"name": file.name, "size": len(file.data)}) + file.data


def _unread(file: Path | Upload, code: str, text: str) -> Inspection:
    called = file if isinstance(file, Path) else file.name
    return Inspection(verdict=unread(called, code, text))


def _ending(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
