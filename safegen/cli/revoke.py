"""`safegen revoke`: take back a model, a key, a policy or an output."""

from __future__ import annotations

from typing import Annotated

import typer

from safegen.cli.console import plain, say
from safegen.cli.options import KEYS, LEDGER_FILE, Keys, Ledger
from safegen.schemas.choices import Reason
from safegen.schemas.revocation import What


def revoke(
    what: Annotated[What, typer.Argument(help="What it is.")],
    name: Annotated[
        str,
        typer.Argument(
            help="A package's folder, a key's certificate, a policy's name or file, an output's "
            "file; or its digest (sha256:...)."
        ),
    ],
    reason: Annotated[Reason, typer.Option(help="As RFC 5280 names it.")] = "unspecified",
    note: Annotated[str | None, typer.Option(help="What else people should know.")] = None,
    since: Annotated[
        str | None, typer.Option(help="From when on it is not trusted, ISO 8601; by default now.")
    ] = None,
    ledger: Ledger = LEDGER_FILE,
    keys: Keys = KEYS,
) -> None:
    """Take something back: it is logged, and from now on refused wherever this ledger is used."""
    from safegen.config.workspace import Workspace
    from safegen.pipeline.revoke import take_back

    place = Workspace(keys=keys, ledger=ledger)
    made = take_back(what, name, workspace=place, reason=reason, since=since, note=note)
    say(f"[bold]{made.what} {made.id}[/]: revoked since {plain(made.since)} ({made.reason})")
    say(
        "[dim]Who verifies without this ledger learns it from a list: safegen ledger revocations "
        f"{plain(ledger)}[/]"
    )
