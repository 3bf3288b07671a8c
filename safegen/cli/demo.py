"""`safegen demo`: the whole way of the data, on real digits, in about a minute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.console import out as console

if TYPE_CHECKING:
    from safegen.pipeline.generate.model import Model
    from safegen.pipeline.generate.outputs import Release
    from safegen.progress import Progress
    from safegen.report.run import RunReport
    from safegen.schemas.verdict import Verdict

DEMO_OUTPUTS = 20
DEMO_PURPOSE = "showing what safegen does"


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for everything; by default the next free safegen-demo."),
    ] = None,
) -> None:
    """Train privately on real digits; generate, explain, sign, log and verify 20 outputs."""
    folder = _next_free() if out is None else out
    with Bars() as bars:
        bars("starting", 0, 1)
        from safegen import storage

        _require_empty(folder)
        storage.require_writable(folder)
        model, release = _make(folder, bars)
        report = _check(folder, model, release, bars)
        from safegen.report.run import render

        page = folder / "report.html"
        storage.write(page, render(report).encode())
    _tell(report, page)
    if not _all_well(report):
        raise typer.Exit(1)


def _make(folder: Path, progress: Progress) -> tuple[Model, Release]:
    """Keys, a private model, and a release."""
    from safegen.config.workspace import Workspace
    from safegen.pipeline.train.train import train
    from safegen.provenance.keys import pki

    pki.init(folder / "keys")
    progress("starting", 1, 1)
    model = train(
        "digits",
        out=folder / "model",
        workspace=Workspace(
            keys=folder / "keys", ledger=folder / "ledger.db", budget=folder / "budget.db"
        ),
        progress=progress,
    )
    release = model.generate(
        DEMO_OUTPUTS, purpose=DEMO_PURPOSE, seed=0, explain="full", progress=progress
    )
    release.save(folder / "outputs")
    return model, release


def _check(folder: Path, model: Model, release: Release, progress: Progress) -> RunReport:
    """Verify every file as a stranger would, and a copy that was tampered with."""
    from safegen import storage
    from safegen.cli.tamper import with_one_bit_changed
    from safegen.privacy.accounting import events
    from safegen.report.run import Checked, RunReport
    from safegen.verification.verify import verify, verify_tree

    root, ledger = folder / "keys" / "root.pem", folder / "ledger.db"
    paths = [folder / "outputs" / output.name for output in release.outputs]
    verdicts = verify_tree(paths, trust=root, ledger=ledger, progress=progress)
    copy = folder / "tampered" / release.outputs[0].name
    storage.write(copy, with_one_bit_changed(release.outputs[0].data))
    certificate = model.certificate
    events.forget()
    return RunReport(
        title="A private generator and what it let out",
        model=model.config.name,
        model_digest=model.digest,
        certificate=certificate,
        recomputed=events.epsilon_of(certificate.events, certificate.delta),
        checked=tuple(
            Checked(output=output, verdict=verdict)
            for output, verdict in zip(release.outputs, verdicts, strict=True)
        ),
        tampered=verify(copy, trust=root, ledger=ledger),
        tampered_file=storage.read(copy),
        commands=(
            f"safegen verify {folder / 'outputs'} --trust {root} --ledger {ledger}",
            f"safegen verify {copy} --trust {root} --ledger {ledger}",
            f"safegen explain {paths[0]} --package {folder / 'model'}",
        ),
    )


def _tell(report: RunReport, page: Path) -> None:
    from rich.table import Table

    trusted = _trusted([item.verdict for item in report.checked])
    certificate = report.certificate
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("epsilon claimed", f"{certificate.epsilon:.6f} at delta {certificate.delta:.2e}")
    table.add_row("epsilon recomputed", f"{report.recomputed:.6f} from the events")
    bound = certificate.lower_bound
    if bound is not None:
        table.add_row("epsilon attacked", plain(bound.in_words()))
    table.add_row("outputs signed", str(len(report.checked)))
    table.add_row("outputs trusted", f"{trusted} of {len(report.checked)}")
    table.add_row(
        "tampered copy", "refused" if report.tampered.state == "invalid" else "NOT NOTICED"
    )
    console.print()
    console.print(table)
    say(f"\nThe report: [bold]{plain(page)}[/]\nTo check it yourself:")
    for command in report.commands:
        say(f"  {plain(command)}")


def _all_well(report: RunReport) -> bool:
    return (
        abs(report.recomputed - report.certificate.epsilon) <= 1e-6
        and _trusted([item.verdict for item in report.checked]) == len(report.checked)
        and report.tampered.state == "invalid"
    )


def _trusted(verdicts: list[Verdict]) -> int:
    return sum(verdict.state == "trusted" for verdict in verdicts)


def _require_empty(folder: Path) -> None:
    from safegen.errors import StorageError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} is not an empty folder; name another with --out")


def _next_free() -> Path:
    """safegen-demo, or safegen-demo-2 and so on when that is taken."""
    number = 1
    while (folder := Path("safegen-demo" if number == 1 else f"safegen-demo-{number}")).exists():
        number += 1
    return folder
