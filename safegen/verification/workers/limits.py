"""How much memory and time one file may take, in a process of its own.

A few kilobytes can ask C2PA's reader for gigabytes or for hours. Limits of the system hold where
there are such (POSIX); elsewhere only time does.
"""

from __future__ import annotations

import contextlib
import time

MAX_MEMORY_BYTES = 2**30  # bytes that a process may hold for a file
MAX_PROCESSOR_SECONDS = 10  # of processor time for a file; the largest takes about one
TOO_LONG_TEXT = (
    f"Looking at it took more than {MAX_PROCESSOR_SECONDS} seconds of processor time, "
    "and was stopped."
)


def limit_memory() -> None:
    """Let this process hold no more than `MAX_MEMORY_BYTES`; more breaks it down, and only it."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def limit_time() -> None:
    """Let this process use the processor for `MAX_PROCESSOR_SECONDS`; more ends it (SIGXCPU)."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(
            resource.RLIMIT_CPU, (int(time.process_time()) + 1 + MAX_PROCESSOR_SECONDS, hard)
        )
