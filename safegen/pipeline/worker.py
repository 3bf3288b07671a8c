"""One process of a verification: it hears paths and answers with verdicts, a line each."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = 2**30  # bytes that this process may hold; more breaks it down, and nothing else


def main() -> None:
    """Answer until there are no more questions."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever asks says what Ctrl-C means
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints is no answer
    _limit_memory()
    from safegen.errors import SafegenError
    from safegen.pipeline.examine import examine
    from safegen.pipeline.verify import open_ledger
    from safegen.pipeline.workers import READY, Task

    questions = sys.stdin.buffer
    try:
        task = Task.from_line(questions.readline())
        ledger = None if task.ledger is None else open_ledger(task.ledger)
        answers.write(READY)
        for line in questions:
            verdict = examine(Path(json.loads(line)), task.trust, ledger)
            answers.write(verdict.model_dump_json().encode() + b"\n")
    except SafegenError as error:
        said = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(said).encode() + b"\n")


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Let this process take no more than `MEMORY` beyond what it holds, for one file.

    A few kilobytes can ask C2PA's reader for gigabytes; what is refused them, fails as a file. Only
    where the system tells what is held (Linux).
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


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
