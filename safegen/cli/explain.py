"""`safegen explain`: what made an output, and how far that can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safegen.cli.console import out as console
from safegen.cli.console import plain, say


def explain(
    file: Annotated[Path, typer.Argument(help="A released output, with its receipt beside it.")],
    package: Annotated[
        Path | None, typer.Option(help="Its model package: makes the output again and compares.")
    ] = None,
) -> None:
    """Say which latents and how much of the label made each region of an output."""
    from rich.table import Table

    from safegen.explain.summary import in_words
    from safegen.package.presence import require_package
    from safegen.pipeline.explain import made_again, read_explained

    if package is not None:
        require_package(package)
    explained = read_explained(file)
    request, explanation = explained.request, explained.explanation
    say(
        f"[bold]{plain(file)}[/]: output {request.index + 1} of {request.count}, label "
        f"{request.label} ({plain(request.label_name)}), seed {request.seed}, for: "
        f"{plain(request.purpose)}"
    )
    say(in_words(explanation))
    table = Table("region", "brightness", "label's share", "strongest latents", box=None)
    for region in explanation.regions:
        table.add_row(
            f"row {region.row + 1}, column {region.column + 1}",
            f"{region.brightness:.2f}",
            f"{region.label_share:.0%}",
            ", ".join(map(str, region.top_latents)),
        )
    console.print(table)
    say(
        "[dim]This is what the file says of itself; `safegen verify` says whether to believe it.[/]"
    )
    if package is not None:
        if not made_again(explained, package):
            say(f"[bold red]{plain(package)} makes another picture[/] from that seed and label.")
            raise typer.Exit(1)
        say(f"[green]{plain(package)} makes the same picture again[/] from that seed and label.")
