"""`safegen revocations`: what a ledger takes back."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from safegen.cli.console import plain, say
from safegen.cli.options import LEDGER_FILE, Ledger
from safegen.cli.streams import document


def revocations(
    ledger: Ledger = LEDGER_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List what was taken back, oldest first; `safegen ledger revocations` signs it for others."""
    from safegen.pipeline.revoke import revocations as pipeline

    found = pipeline(ledger)
    if as_json:
        rows = [each.model_dump(mode="json") for each in found]
        document(f"{json.dumps(rows, indent=2)}\n")
        return
    for each in found:
        note = f": {each.note}" if each.note else ""
        say(f"{plain(each.since)}  [bold]{each.what}[/] {plain(each.id)}")
        say(f"  {each.reason}{plain(note)}")
    if not found:
        say(f"{plain(ledger)} takes nothing back.")
