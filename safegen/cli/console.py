"""What people see: bars while work goes on, one sentence when it cannot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape

from safegen.errors import Refused
from safegen.provenance.keys.shown import visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.progress import TaskID

    from safegen.errors import SafegenError

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

COLOURS = {"passed": "green", "warned": "yellow", "not_applicable": "dim"}  # of outcomes
LOG_INTERVAL_SECONDS = 60.0  # seconds between two lines about a stage that goes on, in a log


def say(text: str) -> None:
    """Print a line of markup; whatever we did not write ourselves goes through `plain` first."""
    out.print(text)


def tell(text: str) -> None:
    """Print a line of markup on standard error, where it disturbs no document."""
    err.print(text)


def plain(text: object) -> str:
    r"""Somebody else's text, unable to pass for ours.

    Markup is escaped, and characters that cannot be printed are shown as such: a name with a line
    break or a terminal's control sequence in it could otherwise write a verdict of its own.

    >>> plain("a" + chr(27) + "[2Kb")
    'a\ufffd[2Kb'
    """
    return escape(visible(str(text)))


def complain(error: SafegenError) -> None:
    """Print an error as one sentence, and a refusal with all of its findings."""
    err.print(f"[bold red]error:[/] {plain(error)}")
    if isinstance(error, Refused):
        for finding in error.decision.findings:
            mark = f"[{COLOURS.get(finding.outcome, 'red')}]{finding.outcome}[/]"
            err.print(f"  {mark}  {plain(finding.rule)}: {plain(finding.text)}")


class Bars:
    """One bar a stage, on standard error, so that pipes stay clean; lines where it is a log."""

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        drawn = err.is_interactive and err.file.isatty()
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=err,
            disable=quiet or not drawn,
        )
        self._tasks: dict[str, TaskID] = {}
        self._lines = None if quiet or drawn else _Lines()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move a stage's bar; the first call draws it."""
        if self._lines is not None:
            self._lines.tell(stage, done, total)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


class _Lines:
    """What a log gets of a stage: a line a minute, and one when it is done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}  # when, of stages that go on
        self._done: set[str] = set()

    def tell(self, stage: str, done: int, total: int) -> None:
        now = self._clock()
        if done < total:
            self._done.discard(stage)
            if now - self._told.setdefault(stage, now) < LOG_INTERVAL_SECONDS:
                return
            self._told[stage] = now
        elif stage in self._done:
            return
        else:
            self._done.add(stage)
            self._told.pop(stage, None)
        err.print(f"{plain(stage)}: " + ("done" if total == 1 else f"{done:,} of {total:,}"))
