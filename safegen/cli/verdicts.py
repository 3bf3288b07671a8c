"""Verdicts on the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape

from safegen.cli.console import out as console
from safegen.cli.console import plain, say
from safegen.report.verdicts import MAX_WHOLE_VERDICTS, STATES, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from safegen.report.verdicts import Style
    from safegen.schemas.verdict import Verdict

MAX_LINE_LETTERS = 100  # letters in a line


def show(verdicts: Sequence[Verdict], *, trusting: bool) -> None:
    """Print verdicts on the terminal.

    Args:
        verdicts: what was found.
        trusting: whether a list of trust was given.
    """
    width = min(console.width, MAX_LINE_LETTERS) if console.is_terminal else None
    for line in in_words(verdicts, paint=_paint, width=width):
        say(line)
    if len(verdicts) > 1:
        say_counts(verdicts)
    valid = any(verdict.state == "valid" for verdict in verdicts)
    if not trusting and len(verdicts) > MAX_WHOLE_VERDICTS and valid:
        say("Nobody vouches for any signer here: name the roots that you trust with --trust.")


def say_counts(verdicts: Sequence[Verdict], *, written: Path | None = None) -> None:
    """Print how many files came to which state, and where the report is."""
    counts = Counter(verdict.state for verdict in verdicts)
    told = ", ".join(f"[{STATES[s][0]}]{number} {s}[/]" for s, number in counts.most_common())
    say(told if written is None else f"{told}; written to {plain(written)}")


def _paint(text: str, style: Style = "") -> str:
    return f"[{style}]{escape(text)}[/]" if style else escape(text)
