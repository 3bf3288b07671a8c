"""What a screen may do while it measures: compute, and nothing else.

Records lie in files and databases. A screen that opened one while it measures would look at them,
and no budget would know; so would one that talked to a process that does. Python tells of each such
attempt before it is made (PEP 578, audit hooks), and here it is refused, and remembered even where
the screen goes on without. What a screen needs, it opens when it is made, or in `open`.

This holds mistakes and careless code, not malice: native code can do what Python is not told of,
and of a thread that is started Python tells from 3.12 on.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CODE_SUFFIXES = (".py", ".pyc", ".so", ".pyd", ".dylib")  # importing a module is no look at data
_NO_DATA = ("/dev/null", "/dev/urandom", "/proc/", "/sys/")  # of the machine
_FORBIDDEN: Mapping[str, str] = {
    "open": "open {}",
    "os.listdir": "list {}",
    "os.scandir": "list {}",
    "sqlite3.connect": "open {}",
    "socket.__new__": "open a connection",
    "socket.connect": "open a connection",
    "socket.getaddrinfo": "look up {}",
    "subprocess.Popen": "start {}",
    "os.system": "start {}",
    "os.exec": "start {}",
    "os.posix_spawn": "start {}",
    "os.fork": "start a process",
    "_thread.start_new_thread": "start a thread",
}
_measuring = threading.local()
_hooked = threading.Lock()
_installed = False


class ConfinedError(PermissionError):
    """A screen tried to do something else than compute."""


@contextlib.contextmanager
def confined() -> Iterator[list[str]]:
    """Refuse this thread whatever could reach data; for the time of a measurement.

    Yields:
        What was tried, in words; whoever finds anything in it believes no score.
    """
    _install()
    attempts: list[str] = []
    _measuring.attempts = attempts
    try:
        yield attempts
    finally:
        _measuring.attempts = None


def _install() -> None:
    """Listen from now on, once a process: such a hook cannot be taken away again."""
    global _installed  # noqa: PLW0603 - of the process, as the hook is
    with _hooked:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    attempts: list[str] | None = getattr(_measuring, "attempts", None)
    if attempts is None or event not in _FORBIDDEN:
        return
    subject = arguments[0] if arguments else ""
    name = subject.decode(errors="replace") if isinstance(subject, bytes) else str(subject)
    if event in {"open", "os.listdir", "os.scandir"} and _is_harmless(event, subject, name):
        return
    attempts.append(_FORBIDDEN[event].format(name))
    raise ConfinedError(f"a screen that measures may not {attempts[-1]}")


def _is_harmless(event: str, subject: object, name: str) -> bool:
    if isinstance(subject, int) or name in sys.path:  # imports look into archives of code there
        return True
    if event == "open":
        return name.endswith(_CODE_SUFFIXES) or name.startswith(_NO_DATA)
    return name.startswith(tuple(each for each in sys.path if each))
