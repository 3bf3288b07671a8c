"""`safegen audit`: attacks beside the privacy claim that they test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.console import out as console
from safegen.cli.options import PICTURES, ROOT, Budget, TimeTrust
from safegen.cli.settings import Settings, given_in, given_names, with_settings
from safegen.config.privacy import PrivacyConfig
from safegen.config.training import TrainingConfig
from safegen.errors import InputError
from safegen.package.presence import require_package

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from safegen.data.dataset import DataSet
    from safegen.pipeline.audit import Audit
    from safegen.schemas.audit import AuditReport

JSON, PAGE, PICTURE = "audit.json", "audit.html", "audit.png"
PANEL = "Without a package"
PROMISED = Settings(PrivacyConfig, PANEL, only=("epsilon",))
TRAINED = Settings(TrainingConfig, PANEL, only=("family", "steps"))


@with_settings(read=PICTURES, privacy=PROMISED, training=TRAINED)
def audit(
    context: typer.Context,
    package: Annotated[
        Path | None, typer.Argument(help="A model package; without one, a run is made on --data.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The records: a name, a .npz file, or a folder.")
    ] = None,
    held_out: Annotated[
        str | None, typer.Option(help="Records like them that were not trained on.")
    ] = None,
    *,
    read: Callable[..., DataSet],
    out: Annotated[Path, typer.Option(help="Folder for the page, the picture, the JSON.")] = Path(
        "audit"
    ),
    time_trust: TimeTrust = None,
    trust: Annotated[Path, typer.Option(help="Roots that may have signed the package.")] = ROOT,
    privacy: PrivacyConfig,
    training: TrainingConfig,
    seed: Annotated[int, typer.Option(help="Of the samples that are attacked.")] = 0,
    budget: Budget = None,
) -> None:
    """Attack a model, and measure the engine that made it.

    Of a package: what its own canaries proved, the installed engine under its plan and, with its
    records in --data, membership inference. Without a package: a run on --data with canaries of
    both kinds, which takes its grant like any run. Exit 1 when anything contradicts the claim.
    """
    _require_sense(context, package, data)
    if package is not None:
        require_package(package)
    with Bars() as bars:
        bars("starting", 0, 1)
        from safegen import storage
        from safegen.pipeline.audit import audit_package, audit_run
        from safegen.report.audit import draw, render
        from safegen.schemas.canonical import canonical_bytes

        storage.require_writable(out)
        bars("starting", 1, 1)
        members = None if data is None else read(data)
        others = _held_out(data, held_out, read, needed=package is not None)
        if package is not None:
            done = audit_package(
                package,
                trust=trust,
                time_trust=time_trust,
                members=members,
                others=others,
                budget=budget,
                seed=seed,
                progress=bars,
            )
        else:
            assert members is not None
            done = audit_run(
                members,
                others,
                privacy=privacy,
                training=replace(training, seed=seed),
                budget=budget,
                progress=bars,
            )
        storage.write(out / JSON, canonical_bytes(done.report))
        storage.write(out / PICTURE, draw(done))
        storage.write(out / PAGE, render(done).encode())
    _tell(done, out)
    if not done.report.sound:
        raise typer.Exit(1)


def _require_sense(context: typer.Context, package: Path | None, data: str | None) -> None:
    """Whoever gives what is not looked at would believe that it was.

    Raises:
        InputError: nothing is to be audited, or an option has nothing to say here.
    """
    given = given_in(context, PROMISED, TRAINED)
    if package is None and data is None:
        raise InputError("nothing to audit: name a package, or records with --data")
    if package is not None and given:
        raise InputError(
            f"{', '.join(given)} would change nothing in a package that is there; leave it out, or "
            "leave out the package to audit a run of its own"
        )
    unread = given_names(context, *(("trust", "time_trust") if package is None else ()))
    if data is None:
        unread += given_names(context, "held_out", *PICTURES.names())
    if unread:
        needed = "a package" if package is None else "records in --data"
        raise InputError(f"{', '.join(unread)} says nothing without {needed}; leave it out")


def _held_out(
    data: str | None,
    held_out: str | None,
    read: Callable[..., DataSet],
    *,
    needed: bool,
) -> DataSet | None:
    """Records that were not trained on: those named, or the data set's own test split."""
    from safegen.errors import DataError

    if held_out is not None:
        return read(held_out)
    if data is None:
        return None
    try:
        return read(data, split="test")
    except DataError as error:
        if needed:
            raise DataError(
                f"{error}; membership inference needs records that were not trained on: name some "
                "with --held-out, or leave out --data"
            ) from error
        return None


def _tell(done: Audit, out: Path) -> None:
    from rich.table import Table

    report = done.report
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column()
    table.add_column(overflow="fold")
    table.add_row("claimed", f"at most {report.epsilon:.4f}", f"at delta {report.delta:.2e}")
    for attack in report.attacks:
        mark = "green" if attack.lower_bound <= report.recomputed else "red"
        bound = attack.lower_bound
        proved = f"at least {bound:.4f}" if bound else "proved nothing"
        table.add_row(attack.name, f"[{mark}]{proved}[/]", plain(attack.evidence))
    _tell_engine(report, table)
    console.print(table)
    say(f"\nCost: {plain(report.cost)}.\nThe page: [bold]{plain(out / PAGE)}[/]")


def _tell_engine(report: AuditReport, table: Table) -> None:
    wrong = [each for each in report.mechanism if not each.sound]
    if not wrong:
        table.add_row(
            "engine", "[green]as planned[/]", f"{len(report.mechanism)} properties measured"
        )
    for each in wrong:
        table.add_row(
            "engine",
            "[red]not as planned[/]",
            f"{plain(each.what)}: {each.found:.4g} instead of {each.expected:.4g}",
        )
