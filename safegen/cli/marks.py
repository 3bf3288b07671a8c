"""`safegen marks`: whether marks survive in your own generator's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from safegen.cli.console import Bars, plain, say
from safegen.cli.console import out as console
from safegen.cli.options import ROOT
from safegen.cli.settings import Settings, with_settings
from safegen.config.workspace import Workspace

JSON, PAGE = "marks.json", "marks.html"
HOUSE = Settings(Workspace, "Workspace", leaving=("timestamp_url", "budget"))

app = typer.Typer(help="Marks in pixels: put them to the test.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Marks in pixels: put them to the test."""


@app.command("test")
@with_settings(workspace=HOUSE)
def measure(
    context: typer.Context,  # noqa: ARG001 - for the settings
    source: Annotated[
        Path, typer.Argument(help="A model package, or a folder of pictures of one size.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the page and the JSON.")] = Path("marks"),
    pictures: Annotated[int, typer.Option(help="How many, at most.", min=1)] = 100,
    psnr: Annotated[
        float, typer.Option(help="How much marks may change pictures, in dB.", min=28, max=50)
    ] = 37.0,
    mode: Annotated[
        Literal["quality", "speed"], typer.Option(help="How marks are written.")
    ] = "quality",
    seed: Annotated[int, typer.Option(help="Of samples, ids and distortions.", min=0)] = 0,
    *,
    workspace: Workspace,
    trust: Annotated[Path, typer.Option(help="Roots that may have signed the package.")] = ROOT,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON, not a table.")] = False,
) -> None:
    """Mark pictures, distort them in twenty ways, and look for their marks.

    Samples of a package are drawn for this alone: the ledger says so, and they are shown on the
    page, which is for those who may see unreleased samples.
    """
    with Bars() as bars:
        bars("starting", 0, 1)
        from safegen import storage
        from safegen.pipeline.marks import measure_marks
        from safegen.report.marks import render
        from safegen.schemas.canonical import canonical_bytes

        storage.require_writable(out)
        bars("starting", 1, 1)
        trial = measure_marks(
            source,
            pictures=pictures,
            psnr=psnr,
            mode=mode,
            seed=seed,
            workspace=workspace,
            trust=trust,
            progress=bars,
        )
        written = canonical_bytes(trial.report)
        storage.write(out / JSON, written)
        storage.write(out / PAGE, render(trial).encode())
    if as_json:
        typer.echo(written)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column()
    for name in ("bits", "payload", "id found"):
        table.add_column(name, justify="right")
    for each in trial.report.survivals:
        shares = (each.bits, each.payload, each.id)
        table.add_row(plain(each.distortion), *(f"{100 * share:.0f}%" for share in shares))
    console.print(table)
    say(f"\nPSNR {trial.report.psnr:.1f} dB, SSIM {trial.report.ssim:.3f}.")
    say(f"The page: [bold]{plain(out / PAGE)}[/]")
