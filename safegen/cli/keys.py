"""`safegen keys`: a development certificate chain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safegen.cli.console import plain, say

app = typer.Typer(help="Keys and certificates.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Keys and certificates."""


@app.command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="A folder without keys.")],
    organisation: Annotated[
        str, typer.Option(help="Whose name the certificates carry.")
    ] = "safegen development",
) -> None:
    """Make a root, an issuing CA and a signing leaf by C2PA's certificate profile."""
    from safegen.provenance import pki

    pki.init(folder, organisation=organisation)
    say(
        f"[bold]{plain(folder)}[/]: a development chain. Give {plain(folder / pki.ROOT)} to "
        "whoever verifies; keep the *.key files to yourself."
    )
