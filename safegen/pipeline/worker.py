"""One process of a verification: it hears paths and answers with verdicts, a line each."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from safegen.pipeline.limits import limit_memory, limit_time


def main() -> None:
    """Answer until there are no more questions."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever asks says what Ctrl-C means
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints is no answer
    limit_memory()
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
            limit_time()
            path = Path(json.loads(line))
            verdict = examine(path, task.trust, ledger, strict=task.strict)
            answers.write(verdict.model_dump_json().encode() + b"\n")
    except SafegenError as error:
        said = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(said).encode() + b"\n")
