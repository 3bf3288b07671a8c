"""`safegen verify`: files to verdicts; exit code 0 when all are trusted, 1 when any is not."""

from __future__ import annotations

import enum
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.options import Deployment, Revoked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from safegen.schemas.verdict import Verdict

INTERRUPTED = 130  # as shells say it


class Format(enum.StrEnum):
    """How verdicts are written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


def verify(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders to look through, quoted patterns ('dist/**/*.png'), "
            "or - for a list of files on standard input."
        ),
    ],
    trust: Annotated[
        list[Path] | None,
        typer.Option(help="PEM certificates of the roots to trust; may be given several times."),
    ] = None,
    time_trust: Annotated[
        list[Path] | None,
        typer.Option(help="The same, of time-stamp authorities."),
    ] = None,
    identity_trust: Annotated[
        list[Path] | None,
        typer.Option(
            help="The same, of those who say who somebody is; lines with did:... name aggregators."
        ),
    ] = None,
    ledger: Annotated[
        list[str] | None,
        typer.Option(help="A log of releases: a file or a database URL; repeatable."),
    ] = None,
    witness: Annotated[
        list[Path] | None,
        typer.Option(help="PEM roots of those whose logs and receipts count for others' files."),
    ] = None,
    released: Annotated[
        bool, typer.Option("--released", help="Refuse what nothing shows to have been released.")
    ] = False,
    revoked: Revoked = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse also what its own signer says was made from something broken.",
        ),
    ] = False,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Refuse what its rules for finished files refuse; repeatable."),
    ] = None,
    deployment: Deployment = None,
    form: Annotated[
        Format, typer.Option("--format", help="How the verdicts are written.")
    ] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the verdicts to this file, all or nothing.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes; by default one for each usable core.", min=1)
    ] = None,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="The list on standard input is separated by NUL.")
    ] = False,
) -> None:
    """Say of any file who signed it, whether it was changed, and whether its claims hold."""
    from safegen import storage
    from safegen.cli import verdicts as page
    from safegen.cli.console import plain, say, tell
    from safegen.cli.streams import document
    from safegen.errors import InputError
    from safegen.report.verdicts import render
    from safegen.verification.discovery import look_through
    from safegen.verification.options import VerificationOptions
    from safegen.verification.unsigned_files import in_words, not_covered
    from safegen.verification.verify import verify_tree

    if out is not None:
        storage.require_writable(out.parent)
    if as_json and form not in {Format.TEXT, Format.JSON}:
        raise InputError(f"--json and --format {form.value} contradict each other; give one")
    chosen = Format.JSON if as_json else form
    try:
        found = look_through(_listed(paths, null=null))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    options = VerificationOptions(
        trust=trust,
        time_trust=time_trust,
        identity_trust=identity_trust,
        ledger=ledger,
        witness=witness,
        released=released,
        revoked=revoked,
        strict=strict,
        policy=policy,
        deployment=deployment,
    )
    verdicts = _with_bars(functools.partial(verify_tree, found.files, options=options, jobs=jobs))
    if out is not None:
        storage.write(out, render(verdicts, chosen.value).encode())
        page.say_counts(verdicts, written=out)
    elif chosen is Format.TEXT:
        page.show(verdicts, trusting=bool(trust))
    else:
        document(render(verdicts, chosen.value))
    if left := not_covered(found, verdicts):
        (say if chosen is Format.TEXT else tell)(f"[dim]{plain(in_words(left))}[/]")
    if any(verdict.state != "trusted" for verdict in verdicts):
        raise typer.Exit(1)


def _with_bars(ask: Callable[..., tuple[Verdict, ...]]) -> tuple[Verdict, ...]:
    """Ask for verdicts, and show how far they are; Ctrl-C ends everything."""
    from contextlib import ExitStack

    from safegen.cli.console import Bars

    bars: Bars | None = None
    try:
        with ExitStack() as stack:

            def progress(stage: str, done: int, total: int) -> None:
                nonlocal bars
                if total == 1:
                    return
                if bars is None:  # not before there is something to show
                    bars = stack.enter_context(Bars())
                bars(stage, done, total)

            return ask(progress=progress)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _listed(paths: Sequence[str], *, null: bool) -> list[str | Path]:
    """The paths, with those from standard input in the place of `-`."""
    from safegen.errors import InputError
    from safegen.verification.discovery import names_in

    listed: list[str | Path] = []
    for path in paths:
        if path != "-":
            listed.append(path)
            continue
        names = names_in(sys.stdin.buffer.read(), null=null)
        if not names:
            raise InputError("standard input names no files; give one a line")
        listed += names
    return listed
