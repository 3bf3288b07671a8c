"""Verdicts for people: what matters first, in a sentence; then every step, for few files."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from safegen.cli.console import out as console
from safegen.cli.console import plain, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from safegen.schemas.verdict import IngredientFinding, State, Verdict

SHOWN_WHOLE = 3  # up to this many files, every step is shown
SHOWN_ALL = 20  # up to this many, trusted files are listed too; of more, only the others
LONGEST = 100  # letters in a line
NARROWEST = 40

STATES = {
    "trusted": ("green", "✓"),
    "valid": ("yellow", "~"),
    "invalid": ("red", "✗"),
    "unsigned": ("red", "✗"),
    "unsupported": ("red", "✗"),
    "unreadable": ("red", "✗"),
}
OUTCOMES = {
    "passed": ("green", "✓"),
    "warned": ("yellow", "!"),
    "failed": ("red", "✗"),
    "not_checked": ("dim", "·"),
}
UNVOUCHED = ("yellow", "~")  # intact, and signed by nobody whom a list vouches for
INGREDIENTS = {"sound": ("green", "✓"), "broken": ("red", "✗"), "unsigned": ("dim", "·")}


def show(verdicts: Sequence[Verdict], *, trusting: bool) -> None:
    """Print verdicts on the terminal.

    Args:
        verdicts: what was found.
        trusting: whether a list of trust was given.
    """
    width = min(console.width, LONGEST) if console.is_terminal else None
    for line in _lines(verdicts, width):
        say(line)
    if len(verdicts) > 1:
        say_counts(verdicts)
    if not trusting and len(verdicts) > SHOWN_WHOLE and _any(verdicts, "valid"):
        say("Nobody vouches for any signer here: name the roots that you trust with --trust.")


def say_counts(verdicts: Sequence[Verdict], *, written: Path | None = None) -> None:
    """Print how many files came to which state, and where the report is."""
    counts = Counter(verdict.state for verdict in verdicts)
    told = ", ".join(f"[{STATES[s][0]}]{number} {s}[/]" for s, number in counts.most_common())
    say(told if written is None else f"{told}; written to {plain(written)}")


def plain_text(verdicts: Sequence[Verdict]) -> str:
    """What `show` prints, without colours."""
    from rich.text import Text

    lines = [Text.from_markup(line, emoji=False).plain for line in _lines(verdicts, None)]
    return "\n".join([*lines, ""])


def _lines(verdicts: Sequence[Verdict], width: int | None) -> Iterator[str]:
    for verdict in verdicts:
        if len(verdicts) <= SHOWN_WHOLE:
            yield from _whole(verdict, width)
        elif (
            len(verdicts) <= SHOWN_ALL
            or verdict.state != "trusted"
            or _warns(verdict)
            or verdict.notes
        ):
            yield from _short(verdict, width)


def _whole(verdict: Verdict, width: int | None) -> Iterator[str]:
    yield _headline(verdict)
    yield from _wrapped("  ", plain(verdict.text), 2, width)
    for note in verdict.notes:
        yield from _wrapped("  [yellow]![/] ", plain(note), 4, width)
    yield ""
    for finding in verdict.findings:
        colour, mark = OUTCOMES[finding.outcome]
        head = f"  [{colour}]{mark}[/] {finding.step:<12} "
        yield from _wrapped(head, plain(finding.text), 17, width, dim=colour == "dim")
    if verdict.ingredients:
        yield "\n  made from"
        yield from _made_from(verdict.ingredients, 2, width)
    yield ""


def _short(verdict: Verdict, width: int | None) -> Iterator[str]:
    yield _headline(verdict)
    if _warns(verdict) or verdict.state not in {"trusted", "valid"}:
        yield from _wrapped(" " * 14, plain(verdict.text), 14, width)
    for note in verdict.notes:
        yield from _wrapped(f"{' ' * 14}[yellow]![/] ", plain(note), 16, width)


def _headline(verdict: Verdict) -> str:
    colour, mark = STATES[verdict.state]
    return f"[bold {colour}]{mark} {verdict.state:<11}[/] {plain(verdict.path)}"


def _made_from(
    ingredients: Iterable[IngredientFinding], indent: int, width: int | None
) -> Iterator[str]:
    for item in ingredients:
        unvouched = item.state == "sound" and not item.trusted
        colour, mark = UNVOUCHED if unvouched else INGREDIENTS[item.state]
        head = f"{' ' * indent}[{colour}]{mark}[/] "
        text = f"{plain(item.title)} ({plain(item.relationship)}). {plain(item.text)}"
        yield from _wrapped(head, text, indent + 2, width, dim=colour == "dim")
        yield from _made_from(item.ingredients, indent + 2, width)


def _wrapped(
    head: str, text: str, indent: int, width: int | None, *, dim: bool = False
) -> Iterator[str]:
    """Text behind a head, in lines under each other on a terminal; one line where it is piped."""
    lines = [text] if width is None else textwrap.wrap(text, max(width - indent, NARROWEST))
    for number, line in enumerate(lines or [""]):
        shown = f"[dim]{line}[/]" if dim else line
        yield f"{head}{shown}" if number == 0 else f"{' ' * indent}{shown}"


def _warns(verdict: Verdict) -> bool:
    return any(finding.outcome == "warned" for finding in verdict.findings)


def _any(verdicts: Sequence[Verdict], state: State) -> bool:
    return any(verdict.state == state for verdict in verdicts)
