"""`safegen sign`: a file of one's own, or an edited output, to a signed and logged one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import plain, say
from safegen.cli.options import SIGNING, TimeTrust
from safegen.cli.settings import with_settings
from safegen.location import is_missing

if TYPE_CHECKING:
    from safegen.config.workspace import Workspace


@with_settings(workspace=SIGNING)
def sign(
    path: Annotated[Path, typer.Argument(help="The file; signed in its place.")],
    out: Annotated[Path | None, typer.Option(help="Another place for the signed file.")] = None,
    parent: Annotated[
        Path | None,
        typer.Option(help="The signed file that it was made from, where that was lost."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="How it came to be or was changed: human-edits, algorithm, composite-with-model, "
            "model, model-data, photograph, digital-creation or algorithmic."
        ),
    ] = None,
    *,
    workspace: Workspace,
    time_trust: TimeTrust = None,
    require_time_stamp: Annotated[
        bool,
        typer.Option(
            "--require-time-stamp",
            help="Refuse when the authority does not answer.",
            rich_help_panel="Workspace",
        ),
    ] = False,
) -> None:
    """Sign an edited file: what it was before becomes part of its manifest, and is never dropped.

    PNG, JPEG, WebP, TIFF, AVIF, GIF, WAV and MP4 carry their manifest; any other file gets it in
    FILE.c2pa beside it.
    """
    from safegen.pipeline.sign import sign as pipeline

    begins = is_missing(workspace.ledger)
    signed = pipeline(
        path,
        workspace=workspace,
        out=out,
        parent=parent,
        source=source,
        stamp_required=require_time_stamp,
        time_trust=time_trust,
    )
    where = f", its manifest in {plain(signed.sidecar)}" if signed.sidecar else ""
    made_from = signed.manifest.ingredients
    history = f", made from {plain(made_from[0].title)}" if made_from else ""
    stamp = signed.manifest.time_stamp
    stamped = f", time-stamped by {plain(stamp.authority)}" if stamp else ""
    say(
        f"[bold]{plain(signed.path)}[/]: signed by {plain(signed.manifest.signer)}{history}{where}"
        f"{stamped}, logged in {plain(workspace.ledger)}"
    )
    if begins:
        say(f"[dim]That began a new ledger: {plain(workspace.ledger)}[/]")
    if signed.unstamped:
        say(f"[yellow]Without a time-stamp:[/] {plain(signed.unstamped)}")
