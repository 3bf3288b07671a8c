"""Verdicts in words: what matters first, in a sentence; then every step, for few files.

Whoever shows a line says how its parts are painted (colours of a terminal, elements of a page).
Whatever text came with a file is made visible first, so that a name with a line break or a
terminal's control sequence in it writes no verdict of its own.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Literal, Protocol

from safegen.provenance.keys.shown import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from safegen.schemas.verdict import IngredientFinding, Verdict

MAX_WHOLE_VERDICTS = 3  # up to this many files, every step is shown
MAX_LISTED_VERDICTS = 20  # up to this many, trusted files are listed too; of more, only the others
MIN_LINE_LETTERS = 40  # letters that a line has at least
FORMS = ("text", "json", "sarif", "junit")

Style = Literal["", "green", "yellow", "red", "dim", "bold green", "bold yellow", "bold red"]

STATES: dict[str, tuple[Style, str]] = {
    "trusted": ("green", "✓"),
    "valid": ("yellow", "~"),
    "invalid": ("red", "✗"),
    "recovered": ("yellow", "~"),
    "unsigned": ("red", "✗"),
    "unsupported": ("red", "✗"),
    "unreadable": ("red", "✗"),
}
STATE_HEADLINES: dict[str, tuple[str, str]] = {  # for those who know no states
    "trusted": ("Trusted", "Nothing was changed, and a list vouches for whoever signed it."),
    "valid": (
        "Intact, by an unknown signer",
        "Nothing was changed; who signed it, nobody vouches.",
    ),
    "invalid": ("Do not rely on it", "Something in it was changed, or is not true."),
    "recovered": (
        "Known by its looks",
        "Its statement is gone; a log has a file that looks like it.",
    ),
    "unsigned": ("No statement of origin", "It carries nothing that says where it comes from."),
    "unsupported": ("Cannot carry a statement", "Files of this type have no place for one."),
    "unreadable": ("Cannot be read", "It is broken, or looking at it takes too much."),
}
HEADS: dict[Style, Style] = {"green": "bold green", "yellow": "bold yellow", "red": "bold red"}
OUTCOMES: dict[str, tuple[Style, str]] = {
    "passed": ("green", "✓"),
    "warned": ("yellow", "!"),
    "failed": ("red", "✗"),
    "not_checked": ("dim", "·"),
}
UNVOUCHED: tuple[Style, str] = ("yellow", "~")  # intact, and signed by nobody who is vouched for
INGREDIENTS: dict[str, tuple[Style, str]] = {
    "sound": ("green", "✓"),
    "broken": ("red", "✗"),
    "unsigned": ("dim", "·"),
}


class Paint(Protocol):
    """How a text is shown in a style; it is visible already, and has no markup of its own."""

    def __call__(self, text: str, style: Style = "") -> str:
        """The text as it is written."""
        ...


def unpainted(text: str, style: Style = "") -> str:
    """The text itself."""
    del style
    return text


def render(verdicts: Sequence[Verdict], form: str = "text") -> str:
    """Verdicts as a document, for people or for programs.

    Args:
        verdicts: what was found.
        form: one of `FORMS`.
    """
    if form == "sarif":
        from safegen.report import sarif

        return sarif.render(verdicts)
    if form == "junit":
        from safegen.report import junit

        return junit.render(verdicts)
    if form == "json":
        items = [verdict.model_dump(mode="json") for verdict in verdicts]
        return f"{json.dumps(items, indent=2)}\n"
    return "\n".join([*in_words(verdicts), ""])


def in_words(
    verdicts: Sequence[Verdict], *, paint: Paint = unpainted, width: int | None = None
) -> Iterator[str]:
    """Lines about verdicts; about few of them all that there is to say.

    Args:
        verdicts: what was found.
        paint: how each part is shown.
        width: letters in a line, longer ones being broken; None breaks none.
    """
    few = len(verdicts) <= MAX_WHOLE_VERDICTS
    for verdict in verdicts:
        if few:
            yield from _Lines(paint, width).whole(verdict)
        elif len(verdicts) <= MAX_LISTED_VERDICTS or verdict.state != "trusted" or warns(verdict):
            yield from _Lines(paint, width).short(verdict)


def warns(verdict: Verdict) -> bool:
    """Whether there is something to say of a file even if it is trusted."""
    return bool(verdict.notes) or _has_warnings(verdict)


def _has_warnings(verdict: Verdict) -> bool:
    return any(finding.outcome == "warned" for finding in verdict.findings)


class _Lines:
    """Lines in one manner."""

    def __init__(self, paint: Paint, width: int | None) -> None:
        self._paint, self._width = paint, width

    def whole(self, verdict: Verdict) -> Iterator[str]:
        yield self._headline(verdict)
        yield from self._wrapped("  ", verdict.text, 2)
        for note in verdict.notes:
            yield from self._wrapped(f"  {self._paint('!', 'yellow')} ", note, 4)
        yield ""
        for finding in verdict.findings:
            style, mark = OUTCOMES[finding.outcome]
            head = f"  {self._paint(mark, style)} {finding.step:<12} "
            yield from self._wrapped(head, finding.text, 17, dim=style == "dim")
        if verdict.ingredients:
            yield "\n  made from"
            yield from self._made_from(verdict.ingredients, 2)
        yield ""

    def short(self, verdict: Verdict) -> Iterator[str]:
        yield self._headline(verdict)
        if _has_warnings(verdict) or verdict.state not in {"trusted", "valid"}:
            yield from self._wrapped(" " * 14, verdict.text, 14)
        for note in verdict.notes:
            yield from self._wrapped(f"{' ' * 14}{self._paint('!', 'yellow')} ", note, 16)

    def _headline(self, verdict: Verdict) -> str:
        style, mark = STATES[verdict.state]
        said = self._paint(f"{mark} {verdict.state:<11}", HEADS[style])
        return f"{said} {self._paint(visible(verdict.path))}"

    def _made_from(self, ingredients: Iterable[IngredientFinding], indent: int) -> Iterator[str]:
        for item in ingredients:
            unvouched = item.state == "sound" and not item.trusted
            style, mark = UNVOUCHED if unvouched else INGREDIENTS[item.state]
            head = f"{' ' * indent}{self._paint(mark, style)} "
            text = f"{item.title} ({item.relationship}). {item.text}"
            yield from self._wrapped(head, text, indent + 2, dim=style == "dim")
            yield from self._made_from(item.ingredients, indent + 2)

    def _wrapped(self, head: str, text: str, indent: int, *, dim: bool = False) -> Iterator[str]:
        """Text behind a head, in lines under each other where lines have a width."""
        lines = [visible(text)]
        if self._width is not None:
            lines = textwrap.wrap(lines[0], max(self._width - indent, MIN_LINE_LETTERS))
        for number, line in enumerate(lines or [""]):
            shown = self._paint(line, "dim" if dim else "")
            yield f"{head}{shown}" if number == 0 else f"{' ' * indent}{shown}"
