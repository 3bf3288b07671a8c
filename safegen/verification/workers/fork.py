"""A copy of this process that looks at files: it has all that is loaded already.

Only a process that runs nothing but Python's own thread can be copied soundly, and C2PA's reader
would lose its threads and settings. So a command is copied at its start or not at all; whoever uses
safegen as a library gets processes that are started afresh.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS = Path("/proc/self/task")  # of Linux, one entry each, whoever started them


def can_fork() -> bool:
    """Whether a copy of this process would be as good as a new one."""
    if None in {sys.stdin, sys.stdout, sys.stderr}:  # then pipes would be taken for them
        return False
    try:
        return sys.platform == "linux" and len(os.listdir(_THREADS)) == 1  # noqa: PTH208 - a count
    except OSError:
        return False


class Fork:
    """A copy of this process, asked as one is that was started: so much of `subprocess.Popen`.

    Attributes:
        pid: of the copy.
        stdin: what it reads.
        stdout: what it writes.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        """Copy this process.

        Args:
            work: what the copy does, with questions on file descriptor 0 and answers on 1.

        Raises:
            OSError: the system does not let us.
        """
        questions, asked = os.pipe()
        answered, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _become(work, questions, answers)
        os.close(questions)
        os.close(answers)
        self.stdin, self.stdout = os.fdopen(asked, "wb"), os.fdopen(answered, "rb")
        self._status: int | None = None

    def poll(self) -> int | None:
        """How it ended, a signal as a negative number; None while it goes on."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int:
        """How it ended, when it has."""
        status = self._wait(0)
        assert status is not None
        return status

    def kill(self) -> None:
        """End it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _wait(self, options: int) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status


def _become(work: Callable[[], None], questions: int, answers: int) -> NoReturn:
    """In the copy: nothing that was opened stays open, and nothing of the original's end is run."""
    status = 1
    try:
        os.dup2(questions, 0)
        os.dup2(answers, 1)
        if not os.environ.get("SAFEGEN_DEBUG"):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        work()
        status = 0
    except BaseException:
        if os.environ.get("SAFEGEN_DEBUG"):
            raise
    finally:
        os._exit(status)
