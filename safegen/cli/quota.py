"""`safegen quota`: how much of a policy's quotas was used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import plain, say
from safegen.cli.options import BASELINE, LEDGER_FILE, Ledger, Policy
from safegen.cli.streams import document

if TYPE_CHECKING:
    from safegen.pipeline.quota import QuotaUse

app = typer.Typer(help="Quotas: how many outputs were made, for whom.", no_args_is_help=True)


@app.callback()
def quota() -> None:
    """Quotas: how many outputs were made, for whom."""


@app.command("show")
def show(
    policy: Policy = BASELINE,
    ledger: Ledger = LEDGER_FILE,
    actor: Annotated[str | None, typer.Option(help="Only what this one has used.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Show what was used of policies' quotas in the present period, and what is left."""
    from safegen.pipeline.quota import quota_use

    found = quota_use(ledger, policy, actor=actor)
    if as_json:
        document(f"{json.dumps([_as_json(each) for each in found], indent=2)}\n")
        return
    for each in found:
        until = "" if each.until is None else f", until {each.until:%Y-%m-%d %H:%M} UTC"
        say(f"[bold]{plain(each.quota.id)}[/] {plain(each.quota.in_words())}")
        for used in each.used:
            whom = ", ".join(used.whom.values()) or "all together"
            left = max(0, each.quota.outputs - used.outputs)
            say(f"  {plain(whom)}: {used.outputs:,} used, [bold]{left:,} left[/]{until}")
        if not each.used:
            say(f"  nothing was used{until}")


def _as_json(use: QuotaUse) -> dict[str, object]:
    return {
        "quota": use.quota.model_dump(mode="json", exclude_none=True),
        "until": None if use.until is None else use.until.isoformat(),
        "used": [{"whom": dict(each.whom), "outputs": each.outputs} for each in use.used],
    }
