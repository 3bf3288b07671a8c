"""`safegen explain`: what made an output, and how far that can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import out as console
from safegen.cli.console import plain, say

RELEASED_PARTS = ("prior.", "grain.", "judge.")  # of a generator: what releases made, and no step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safegen.pipeline.explain import Explained, MadeAgain


def explain(
    file: Annotated[Path, typer.Argument(help="A released output, with its receipt beside it.")],
    package: Annotated[
        Path | None,
        typer.Option(help="Its model package: makes output and explanation again and compares."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the explanation into this new PNG file.")
    ] = None,
    *,
    influence: Annotated[
        bool,
        typer.Option("--influence", help="Ask which records made it: says why that is not told."),
    ] = False,
) -> None:
    """Say which latents and how much of the label made each region of an output."""
    from safegen import storage
    from safegen.errors import InputError
    from safegen.explain.summary import in_words
    from safegen.package.latent_names import names_of
    from safegen.package.presence import require_package
    from safegen.pipeline.explain import made_again, read_explained

    if package is not None:
        require_package(package)
    if influence:
        _tell_influence(package)
        return
    explained = read_explained(file)
    request, explanation = explained.request, explained.explanation
    again = None if package is None else made_again(explained, package)
    attributions = explained.attributions
    if attributions is None and again is not None and again.same_digest:
        attributions = again.attributions
    if figure is not None and attributions is None:
        raise InputError(
            f"the numbers that belong to {file} are not beside it; name its package with "
            "--package, which makes them again"
        )
    say(
        f"[bold]{plain(file)}[/]: output {request.index + 1} of {request.count}, label "
        f"{request.label} ({plain(request.label_name)}), seed {request.seed}, for: "
        f"{plain(request.purpose)}"
    )
    names = {} if package is None else names_of(package)
    say(plain(in_words(explanation, attributions, names)))
    if attributions is None:
        say("[yellow]Its numbers are not beside it[/]; --package makes them again.")
    else:
        _show(explained, attributions)
    say(
        "[dim]This is what the file says of itself; `safegen verify` says whether to believe it.[/]"
    )
    if figure is not None and attributions is not None:
        from safegen.explain.figure import draw

        title = f"{file.name}, label {request.label}"
        storage.write_new(
            figure, draw(explained.stored, explained.modality, explanation, attributions, title)
        )
        say(f"Drawn in {plain(figure)}; it is not signed.")
    if package is not None and again is not None:
        _compare(again, package)


def _tell_influence(package: Path | None) -> None:
    """Why no record is named; and what of all records together went into a model."""
    say(
        "Which records made an output is not told: to say that one mattered is to say that it was "
        "among them, which differential privacy is there to hide. What is known is what all of "
        "them together released, under noise that the certificate counts."
    )
    if package is None:
        say("[dim]--package names those releases.[/]")
        return
    from safegen.package.files import read

    opened = read(package)
    for event in opened.certificate.events:
        kind = "one-shot statistics" if event.event == "gaussian" else "training steps"
        say(f"  {event.count} {kind}, noise multiplier {event.noise_multiplier:.2f}")
    parts = sorted(name for name in opened.weights if name.startswith(RELEASED_PARTS))
    if opened.config.recipe.warm_start is not None:
        say(f"  The warm start learnt from statistics alone: {opened.config.recipe.warm_start}.")
    if parts:
        say(f"  Of statistics are {', '.join(map(plain, parts))}; all else is of training steps.")


def _show(explained: Explained, attributions: NDArray[np.float32]) -> None:
    """What moved each region."""
    from rich.table import Table

    from safegen.explain.summary import region_rows

    quantity = explained.modality.quantity
    table = Table("region", quantity, "by the label", "by the strongest latents", box=None)
    rows = region_rows(explained.stored, explained.modality, attributions)
    for row, moved in zip(rows, attributions, strict=True):
        table.add_row(
            f"row {row.row + 1}, column {row.column + 1}",
            f"{row.brightness:.2f}",
            f"{moved[-1]:+.3f}",
            ", ".join(f"{latent}: {moved[latent]:+.3f}" for latent in row.top_latents),
        )
    console.print(table)


def _compare(again: MadeAgain, package: Path) -> None:
    if not again.same_sample:
        say(f"[bold red]{plain(package)} makes another picture[/] from that seed and label.")
        raise typer.Exit(1)
    say(f"[green]{plain(package)} makes the same picture again[/] from that seed and label.")
    if again.same_digest:
        say("[green]Its explanation has the digest that was signed.[/]")
    elif again.agrees:
        say(
            f"Its explanation is the same up to rounding ({again.farthest:.0e}); another machine's "
            "sums give another digest."
        )
    elif again.farthest is None:
        say("[yellow]Its explanation has another digest[/], and the numbers are not beside it.")
    else:
        say(f"[bold red]Its explanation is another[/], by {again.farthest:.2g} at most.")
        raise typer.Exit(1)
