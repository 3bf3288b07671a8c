"""`safegen ledger`: sign a log's head, prove a file by it, check all of it, take it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.options import Keys, Trust
from safegen.cli.streams import document
from safegen.errors import InputError
from safegen.location import is_missing
from safegen.schemas.choices import Reason

if TYPE_CHECKING:
    from safegen.schemas.canonical import Record
    from safegen.schemas.log import LogReport

HEADS_SHOWN = 3  # of those that no longer hold; one changed row disproves every head after it

app = typer.Typer(
    help="The log of releases: sign, prove, check, export, index, back up, take back.",
    no_args_is_help=True,
)
Log = Annotated[str, typer.Argument(metavar="LEDGER", help="A file or a database URL.")]
Out = Annotated[Path | None, typer.Option(help="Write the JSON there instead of printing it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("checkpoint")
def checkpoint(
    ledger: Log,
    keys: Keys = "keys",
    out: Out = None,
    adopt: Annotated[
        bool, typer.Option(help="Sign for entries that are under no signed head as your own.")
    ] = False,
) -> None:
    """Sign the head of a log; whoever holds it can prove later what the log was."""
    from safegen.provenance.keys.opener import open_signer
    from safegen.provenance.log.ledger import Ledger

    signer = open_signer(keys)
    _require_there(ledger)
    if out is not None and out.exists():
        raise InputError(f"{out} is there already, and a kept checkpoint is never replaced")
    head = Ledger(ledger).checkpoint(signer, adopt=adopt)
    _give(head, out, f"the head of {head.tree_size} entries, signed at {head.time}")


@app.command("prove")
def prove(
    ledger: Log,
    file: Annotated[Path | None, typer.Argument(help="A released file, every byte of it.")] = None,
    at: Annotated[
        Path | None, typer.Option(help="The checkpoint to prove under; by default the last.")
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(
            "--from", help="An earlier checkpoint or receipt: prove that the log continues it."
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Prove that a file is in a log, or that a log continues what it was."""
    from safegen.provenance.log.checkpoints import read_as
    from safegen.provenance.log.export import prove_file, read_head
    from safegen.provenance.log.ledger import Ledger
    from safegen.schemas.log import LogCheckpoint

    if (file is None) == (since is None):
        raise InputError(
            "name a file to prove or an earlier checkpoint with --from, one of the two"
        )
    head = None if at is None else read_as(LogCheckpoint, at)
    log = Ledger(ledger, to_read=True)
    if since is not None:
        continued = log.prove_consistency(read_head(since), head)
        said = f"the log of {continued.second_size} entries begins with the {continued.first_size}"
        _give(continued, out, f"{said} of {since}")
    elif file is not None:
        logged = prove_file(log, file, head)
        said = f"{file} is entry {logged.proof.index} of {logged.proof.tree_size}"
        _give(logged, out, f"{said}, under the head signed at {logged.checkpoint.time}")


@app.command("check")
def check(
    ledger: Annotated[
        str | None, typer.Argument(metavar="[LEDGER]", help="A file or a database URL.")
    ] = None,
    trust: Trust = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere; repeatable.")
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(help="Without a ledger: a receipt, or what `prove` gave.")
    ] = None,
    proof: Annotated[
        Path | None,
        typer.Option(help="A consistency proof between the receipt's head and the checkpoint."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute a whole log again and name what was changed; or check a receipt without any log."""
    if (ledger is None) == (receipt is None):
        raise InputError("name a ledger to check or a receipt with --receipt, one of the two")
    if ledger is not None:
        _check_log(ledger, trust, checkpoint or [], as_json=as_json)
    elif receipt is not None:
        _check_receipt(receipt, trust, checkpoint or [], proof)


@app.command("export")
def export(
    ledger: Log, out: Annotated[Path, typer.Option(help="The file to write, JSON lines.")]
) -> None:
    """Write all entries and the last checkpoint, for whoever wants to compute the root himself."""
    from safegen.provenance.log import export as log
    from safegen.provenance.log.ledger import Ledger

    with Bars() as bars:
        opened = Ledger(ledger, to_read=True)
        count = log.export(opened, out, bars)
    say(f"[bold]{plain(out)}[/]: {count} entries and the checkpoint over them")
    if len(opened) > count:
        say(f"[yellow]Left out:[/] {len(opened) - count} entries that are under no signed head")


@app.command("revoke")
def revoke(
    ledger: Log,
    key: Annotated[
        Path | None, typer.Option(help="The certificate of a key, such as keys/leaf-DATE.pem.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model: its folder, or its digest (sha256:...).")
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="An output: its file, or its digest (sha256:...).")
    ] = None,
    reason: Annotated[Reason, typer.Option(help="As RFC 5280 names it.")] = "unspecified",
    since: Annotated[
        str | None, typer.Option(help="From when on it is not trusted, ISO 8601; by default now.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="What else people should know.")] = None,
    keys: Keys = "keys",
) -> None:
    """Take back a key, a model or an output: log it, signed by a key that stays."""
    from safegen.pipeline.revoke import revoke as pipeline

    made = pipeline(  # `safegen revoke` is the newer spelling, and knows policies, too
        ledger,
        keys,
        key=key,
        model=model,
        output=output,
        reason=reason,
        since=since,
        note=note,
    )
    say(f"[bold]{made.what} {made.id}[/]: revoked since {plain(made.since)} ({made.reason})")
    say("[dim]Others learn it from `safegen ledger revocations`; give them the list.[/]")


@app.command("revocations")
def revocations(ledger: Log, keys: Keys = "keys", out: Out = None) -> None:
    """Sign the list of all that was revoked, for whoever verifies without the ledger."""
    from safegen.pipeline.revoke import list_for_others

    made = list_for_others(ledger, keys)
    _give(made, out, f"{len(made.revocations)} revoked, as of {made.time}")


@app.command("index")
def index(
    ledger: Log,
    paths: Annotated[
        list[str], typer.Argument(help="Released files, with their receipts beside them; folders.")
    ],
) -> None:
    """Have `safegen recover` find files that were released before there was an index."""
    from safegen.pipeline.index import index_released
    from safegen.provenance.log.ledger import Ledger

    _require_there(ledger)
    with Bars() as bars:
        found = index_released(Ledger(ledger), paths, bars)
    for each in found.left_out:
        say(f"[yellow]left out[/]  {plain(each)}")
    say(f"[bold]{plain(ledger)}[/]: {found.added} files indexed, {found.there} were before")
    if found.left_out:
        raise typer.Exit(1)


@app.command("backup")
def backup(
    ledger: Log,
    to: Annotated[Path, typer.Argument(metavar="TO", help="The copy; nothing is replaced.")],
    trust: Trust = None,
) -> None:
    """Copy a ledger that others may be writing to, and check every entry of the copy."""
    from safegen.pipeline.backup import back_up_ledger
    from safegen.provenance.keys.trust import read_anchors

    anchors = None if trust is None else read_anchors(trust)
    with Bars() as bars:
        report = back_up_ledger(ledger, to, anchors=anchors, progress=bars)
    say(f"[bold]{plain(to)}[/]: a whole copy of {plain(ledger)}, in one file")
    _show(report, 0)
    if report.faults:
        raise typer.Exit(1)


def _check_log(ledger: str, trust: Path | None, given: list[Path], *, as_json: bool) -> None:
    from safegen.provenance.keys.trust import read_anchors
    from safegen.provenance.log.checkpoints import read_as
    from safegen.provenance.log.ledger import Ledger
    from safegen.schemas.log import LogCheckpoint

    anchors = None if trust is None else read_anchors(trust)
    earlier = [read_as(LogCheckpoint, path) for path in given]
    with Bars(quiet=as_json) as bars:
        report = Ledger(ledger, to_read=True).check(anchors=anchors, earlier=earlier, progress=bars)
    if as_json:
        document(f"{report.model_dump_json(indent=2)}\n")
    else:
        _show(report, len(earlier))
    if report.faults:
        raise typer.Exit(1)


def _show(report: LogReport, given: int) -> None:
    disproved = [fault for fault in report.faults if fault.kind == "checkpoint"]
    rows = [fault for fault in report.faults if fault.kind != "checkpoint"]
    for fault in (*rows, *disproved[:HEADS_SHOWN]):
        say(f"[red]failed[/]  {plain(fault.text)}")
    if len(disproved) > HEADS_SHOWN:
        more = len(disproved) - HEADS_SHOWN
        say(f"[red]failed[/]  {more} more checkpoints likewise; --json shows each")
    if report.faults:
        return
    heads = [f"{report.checkpoints} of its own checkpoints"] if report.checkpoints else []
    heads += [f"{given} given"] if given else []
    say(
        f"[green]passed[/]  {report.entries} entries, each where it was put; root "
        f"{report.root[:16]}..." + (f", as {' and '.join(heads)} say" if heads else "")
    )
    if not report.checkpoints and not given:
        say("[dim]Nobody signed a head yet, and there is nothing that one would have to cover.[/]")
    elif not report.signatures_checked:
        say("[dim]Who signed them is not checked: name the root to trust with --trust.[/]")
    if not given:
        say("[dim]Entries cut off its end show only beside a --checkpoint kept elsewhere.[/]")


def _check_receipt(
    receipt: Path, trust: Path | None, given: list[Path], proof: Path | None
) -> None:
    from safegen.provenance.keys.trust import read_anchors
    from safegen.provenance.log.checkpoints import read_as
    from safegen.provenance.log.export import problems_without_ledger, read_shown
    from safegen.schemas.log import ConsistencyProof, LogCheckpoint

    if trust is None:
        raise InputError("a receipt is worth what its signer is: name the root with --trust")
    if len(given) > 1:
        raise InputError("a receipt is held against one checkpoint; give one --checkpoint")
    shown, anchors = read_shown(receipt), read_anchors(trust)
    head = read_as(LogCheckpoint, given[0]) if given else None
    continued = None if proof is None else read_as(ConsistencyProof, proof)
    problems = problems_without_ledger(shown, anchors, head, continued)
    for problem in problems:
        say(f"[red]failed[/]  {plain(receipt)}: {plain(problem)}")
    if problems:
        raise typer.Exit(1)
    also = "" if head is None else f", in the log of the checkpoint of {plain(head.time)}"
    say(
        f"[green]passed[/]  {plain(receipt)}: entry {shown.proof.index} of "
        f"{shown.proof.tree_size}, logged at {plain(shown.entry.time)}{also}"
    )


def _give(record: Record, out: Path | None, said: str) -> None:
    """Print a record's JSON, or write it and say what it is."""
    from safegen import storage

    text = record.model_dump_json(indent=2)
    if out is None:
        document(f"{text}\n")
        return
    storage.write(out, text.encode() + b"\n")
    say(f"[bold]{plain(out)}[/]: {plain(said)}")


def _require_there(ledger: str) -> None:
    """A mistyped name must not begin a new log, whose head would be signed."""
    if is_missing(ledger):
        raise InputError(f"no ledger at {ledger}; name the one that releases were logged in")
