"""How much memory and time one file may take, in a process of its own or in this one.

A few kilobytes can ask C2PA's reader for gigabytes or for hours. Limits of the system hold where
there are such (POSIX); elsewhere only time does.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEMORY = 2**30  # bytes that a process may hold for a file
SECONDS = 10  # of processor time for a file; the largest takes about one
TOO_LONG = f"Looking at it took more than {SECONDS} seconds of processor time, and was stopped."

Answer = TypeVar("Answer")


def limit_memory() -> None:
    """Let this process hold no more than `MEMORY`; more breaks it down, and nothing else."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def limit_time() -> None:
    """Let this process run for `SECONDS` more of processor time; more ends it (SIGXCPU)."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1 + SECONDS, hard))


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Let this process take no more than `MEMORY` beyond what it holds, for one file.

    What is refused, fails as a file. Only where the system tells what is held (Linux).
    """
    try:
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [each for each in (soft, hard, held + MEMORY) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def within_time(work: Callable[[], Answer]) -> Answer | None:
    """What `work` comes to, or None when it takes more than `SECONDS` of processor time.

    It then goes on in a thread that is not waited for: to be used where the process ends soon.
    """
    answers: list[Answer] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again, in the caller's thread
            raised.append(error)

    begun = time.process_time()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive() and time.process_time() - begun <= SECONDS:
        thread.join(0.1)
    if raised:
        raise raised[0]
    return answers[0] if answers else None
