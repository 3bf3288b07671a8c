"""`safegen verify`: files to verdicts; exit code 0 when all are trusted, 1 when any is not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.options import Trust

if TYPE_CHECKING:
    from safegen.records.verdict import Verdict

SHOWN_WHOLE = 3  # up to this many files, every step is shown; of more, only those that failed
COLOURS = {
    "trusted": "green",
    "valid": "yellow",
    "passed": "green",
    "not_checked": "dim",
}


def verify(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders to look through.")],
    trust: Trust = None,
    ledger: Annotated[
        str | None, typer.Option(help="The log of releases: a file or a database URL.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Say of any file who signed it, whether it was changed, and whether its claims hold."""
    from safegen.pipeline.verify import verify_tree

    if as_json:
        verdicts = verify_tree(paths, trust=trust, ledger=ledger)
        typer.echo(json.dumps([verdict.model_dump(mode="json") for verdict in verdicts], indent=2))
    else:
        verdicts = _verify_aloud(paths, trust, ledger)
    if any(verdict.state != "trusted" for verdict in verdicts):
        raise typer.Exit(1)


def _verify_aloud(paths: list[Path], trust: Path | None, ledger: str | None) -> tuple[Verdict, ...]:
    from safegen.cli.console import Bars, say
    from safegen.pipeline.verify import verify_tree

    many = len(paths) > SHOWN_WHOLE or any(path.is_dir() for path in paths)
    if many:
        with Bars() as bars:
            verdicts = verify_tree(paths, trust=trust, ledger=ledger, progress=bars)
    else:
        verdicts = verify_tree(paths, trust=trust, ledger=ledger)
    for verdict in verdicts:
        _show(verdict, whole=len(verdicts) <= SHOWN_WHOLE)
    counts = Counter(verdict.state for verdict in verdicts)
    if trust is None and len(verdicts) > SHOWN_WHOLE:
        say("Nobody vouches for any signer here: give a list of roots with --trust.")
    if len(verdicts) > 1:
        say(", ".join(f"{number} {state}" for state, number in counts.most_common()))
    return verdicts


def _show(verdict: Verdict, *, whole: bool) -> None:
    from safegen.cli.console import plain, say

    colour = COLOURS.get(verdict.state, "red")
    say(f"[bold {colour}]{verdict.state:<12}[/] {plain(verdict.path)}")
    if not whole and verdict.state == "trusted":
        return
    for finding in verdict.findings:
        if not whole and finding.outcome != "failed":
            continue
        outcome = finding.outcome.replace("_", " ")
        colour = COLOURS.get(finding.outcome, "red")
        say(f"  [{colour}]{outcome:<12}[/] {finding.step:<12} {plain(finding.text)}")
