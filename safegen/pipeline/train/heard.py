"""What a run in miniature tells: its events, its log, and what it prints or warns of.

A line that names a loss tells of records as much as a file does, wherever it is shown.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.training.events import TrainingEvent

TORCHS_OWN = str(Path(torch.__file__).parent)  # warnings, some of which come once a process


class Heard(logging.Handler):
    """Notes in a trace whatever is told while it is entered."""

    def __init__(self, trace: dict[str, bytes]) -> None:
        """Note in `trace`: `events`, `log`, `printed` and `warned`."""
        super().__init__(logging.DEBUG)
        self._trace = trace
        self._logger = logging.getLogger("safegen")
        self._before = (self._logger.level, self._logger.propagate)
        self._streams = (sys.stdout, sys.stderr)
        self._filters = warnings.catch_warnings(record=True)
        self._once = torch.is_warn_always_enabled()
        self._warned: list[warnings.WarningMessage] = []

    def event(self, event: TrainingEvent) -> None:
        """Note what callbacks would be told."""
        self._note("events", f"{event}\n")

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line of the log."""
        self._note("log", f"{record.getMessage()}\n")

    def _note(self, name: str, words: str) -> None:
        self._trace[name] = self._trace.get(name, b"") + words.encode(errors="backslashreplace")

    def __enter__(self) -> None:
        self._logger.addHandler(self)
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False
        self._warned = self._filters.__enter__()
        warnings.simplefilter("always")
        torch.set_warn_always(True)  # else some are told of the first run alone
        sys.stdout, sys.stderr = (
            cast("TextIO", _Told(stream, lambda words: self._note("printed", words)))
            for stream in self._streams
        )

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._streams
        torch.set_warn_always(self._once)
        self._filters.__exit__(None, None, None)
        for each in self._warned:
            if not each.filename.startswith(TORCHS_OWN):
                self._note("warned", f"{each.message}\n")
        self._logger.removeHandler(self)
        self._logger.setLevel(self._before[0])
        self._logger.propagate = self._before[1]


class _Told:
    """A stream of which one thread's words are noted, and all others go where they did."""

    def __init__(self, stream: TextIO, note: Callable[[str], None]) -> None:
        self._stream, self._note, self._thread = stream, note, threading.get_ident()

    def write(self, words: str) -> int:
        """Note or pass on."""
        if threading.get_ident() != self._thread:
            return self._stream.write(words)
        self._note(words)
        return len(words)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._stream, name)
