"""`safegen evaluate`: what a generator is good for, beside what its records are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.console import out as console
from safegen.cli.options import BASELINE, ROOT, DataRoot, Policy, TimeTrust
from safegen.cli.settings import Settings, given_names, with_settings
from safegen.config.evaluation import EvaluationConfig
from safegen.config.workspace import Workspace
from safegen.package.presence import require_package

if TYPE_CHECKING:
    from rich.table import Table

    from safegen.schemas.evaluation import EvaluationReport, Fidelity, Neighbours, Side, Utility

JSON, PAGE = "evaluation.json", "evaluation.html"
HOW = Settings(EvaluationConfig, "How it is measured")
HOUSE = Settings(Workspace, "Workspace", leaving=("timestamp_url",))


@with_settings(evaluation=HOW, workspace=HOUSE)
def evaluate(
    context: typer.Context,
    package: Annotated[Path, typer.Argument(help="A model package.")],
    data: Annotated[
        str, typer.Option(help="What it was trained on: a name, a .npz file, or a folder.")
    ],
    held_out: Annotated[
        str | None,
        typer.Option(help="Records like them to test on; the test split where there is one."),
    ] = None,
    data_root: DataRoot = None,
    *,
    evaluation: EvaluationConfig,
    out: Annotated[Path, typer.Option(help="Folder for the page and the JSON.")] = Path(
        "evaluation"
    ),
    samples: Annotated[
        int,
        typer.Option(
            help="Signed samples of each class on the page, where there are keys; 0 for none.",
            min=0,
        ),
    ] = 6,
    workspace: Workspace,
    policy: Policy = BASELINE,
    trust: Annotated[Path, typer.Option(help="Roots that may have signed the package.")] = ROOT,
    time_trust: TimeTrust = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON, not a table.")] = False,
) -> None:
    """Measure what a generator is good for: train on synthetic pictures, test on real ones.

    Beside it stands the same with records. Also: distances, calibration, and whether samples lie
    nearer to training records than to held-out ones; exit 1 when they do, more than by chance.
    """
    require_package(package)
    with Bars() as bars:
        bars("starting", 0, 1)
        from safegen import storage
        from safegen.pipeline.evaluate import Samples
        from safegen.pipeline.evaluate import evaluate as measure
        from safegen.report.evaluation import render
        from safegen.schemas.canonical import canonical_bytes

        storage.require_writable(out)
        signed = bool(given_names(context, "keys")) or Path(workspace.keys).is_dir()
        bars("starting", 1, 1)
        done = measure(
            package,
            data,
            held_out=held_out,
            evaluation=evaluation,
            data_root=data_root,
            trust=trust,
            time_trust=time_trust,
            workspace=workspace,
            samples=Samples(columns=samples, seed=evaluation.seed, policy=policy)
            if signed
            else None,
            progress=bars,
        )
        written = canonical_bytes(done.report)
        storage.write(out / JSON, written)
        storage.write(out / PAGE, render(done).encode())
    if as_json:
        typer.echo(written)
    else:
        _tell(done.report, out)
    if done.report.neighbours is not None and done.report.neighbours.copies:
        raise typer.Exit(1)


def _tell(report: EvaluationReport, out: Path) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column()
    table.add_column("synthetic", justify="right")
    table.add_column("real", justify="right")
    if report.utility is not None:
        _tell_utility(report.utility, table)
    _tell_fidelity(report.fidelity, table)
    if report.neighbours is not None:
        _tell_neighbours(report.neighbours, table)
    console.print(table)
    say(f"\nTested on {plain(report.held_out.what)}: {report.held_out.count:,} records.")
    for note in report.notes:
        say(f"[yellow]{plain(note)}[/]")
    say(f"{'[yellow]' if report.outside_guarantee else '[default]'}{plain(report.publishing)}[/]")
    say(f"The page: [bold]{plain(out / PAGE)}[/]")


def _tell_utility(utility: Utility, table: Table) -> None:
    def shown(side: Side) -> str:
        mean = f"{100 * side.accuracy.mean:.2f}"
        if len(side.accuracy.runs) == 1:
            return f"{mean}%"
        return f"{mean} ± {100 * side.accuracy.deviation:.2f}%"

    table.add_row(
        "accuracy of classifiers trained on it", shown(utility.synthetic), shown(utility.real)
    )
    worst = min(
        (each for each in utility.by_class if each.recall_synthetic is not None),
        key=lambda each: each.recall_synthetic or 0.0,
    )
    table.add_row(
        f"recall of its worst class, {plain(worst.name)}",
        f"{100 * (worst.recall_synthetic or 0):.1f}%",
        f"{100 * (worst.recall_real or 0):.1f}%",
    )
    errors = (utility.synthetic.calibration.mean, utility.real.calibration.mean)
    table.add_row("calibration error", *(f"{100 * each:.2f}%" for each in errors))


def _tell_fidelity(fidelity: Fidelity, table: Table) -> None:
    table.add_row(
        "Frechet distance", f"{fidelity.frechet.value:.3g}", f"{fidelity.frechet.floor:.3g}"
    )
    for name, each in (("precision", fidelity.precision), ("recall", fidelity.recall)):
        table.add_row(name, f"{100 * each.value:.1f}%", f"{100 * each.floor:.1f}%")


def _tell_neighbours(neighbours: Neighbours, table: Table) -> None:
    colour = "red" if neighbours.copies else "green"
    control = neighbours.control
    table.add_row(
        "nearer to training records than to held-out ones",
        f"[{colour}]{100 * neighbours.nearer.value:.1f}%[/]",
        "50%" if control is None else f"{100 * control.value:.1f}%",
    )
