"""`safegen access`: who may generate over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safegen.cli.console import plain, say

app = typer.Typer(help="API keys of a service that generates.", no_args_is_help=True)
Database = Annotated[str, typer.Option("--access", help="Where keys are kept: a file or a URL.")]
DEFAULT_ACCESS = "access.db"


@app.command("add")
def add(
    actor: Annotated[str, typer.Argument(help="Whose key it is, as policies hear it.")],
    access: Database = DEFAULT_ACCESS,
) -> None:
    """Make a key and print it, once; only its digest is kept."""
    from safegen.web.access import Access

    typer.echo(Access(access).add(actor))


@app.command("list")
def list_keys(access: Database = DEFAULT_ACCESS) -> None:
    """List keys by the first digits of their digests."""
    from safegen.web.access import Access

    for key in Access(_there(access)).listed():
        say(f"{key.name}  {key.time}  {plain(key.actor)}")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="The first digits of its digest, as listed.")],
    access: Database = DEFAULT_ACCESS,
) -> None:
    """Take a key back; it opens nothing from now on."""
    from safegen.web.access import Access

    key = Access(_there(access)).remove(name)
    say(f"Removed {key.name} of {plain(key.actor)}.")


def _there(access: str) -> str | Path:
    """The database, which must be there."""
    from safegen.errors import StorageError
    from safegen.location import is_missing

    if is_missing(access):
        raise StorageError(f"no keys at {access}; `safegen access add` makes the first")
    return access
