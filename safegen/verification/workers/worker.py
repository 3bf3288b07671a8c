"""One process of a verification: it hears paths and answers with verdicts, a line each."""

from __future__ import annotations

import gc
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.verification.workers.limits import limit_memory, limit_time
from safegen.verification.workers.offline import refuse_network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from safegen.verification.evidence import NamedLog


def main() -> None:
    """Answer until there are no more questions."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever asks says what Ctrl-C means
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints is no answer
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # one of us for each core
    limit_memory()
    gc.disable()  # while it loads: whatever that leaves stays to the end
    from safegen.errors import SafegenError

    try:
        with open(0, "rb", closefd=False) as questions:
            for verdict in _verdicts(questions):
                answers.write(verdict)
    except SafegenError as error:
        said = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(said).encode() + b"\n")


def _verdicts(questions: BinaryIO) -> Iterator[bytes]:
    """A line for each question, which is a task, a path, or a name with as many bytes behind it."""
    from safegen.verification.ledgers import open_ledgers
    from safegen.verification.one_file import inspect_file, verify_file
    from safegen.verification.upload import Upload
    from safegen.verification.workers.process import READY, Task

    gc.freeze()
    gc.enable()
    task = Task(trust=None)
    ledgers: tuple[NamedLog, ...] = ()
    for line in questions:
        limit_time()
        said = json.loads(line)
        if not isinstance(said, str) and "name" not in said:
            task = Task.from_line(line)
            os.chdir(task.folder)
            if task.offline:
                refuse_network()
            ledgers = open_ledgers(task.ledgers, discreet=task.discreet)
            yield READY
            continue
        look = inspect_file if task.detailed else verify_file
        answer = look(
            Path(said)
            if isinstance(said, str)
            else Upload(name=said["name"], data=questions.read(said["size"])),
            task.trust,
            ledgers,
            strict=task.strict,
            released=task.released,
            revoked=task.revoked,
        )
        yield answer.model_dump_json().encode() + b"\n"
