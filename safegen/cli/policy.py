"""`safegen policy`: look at policies, and check a new one before it is used."""

from __future__ import annotations

from typing import Annotated

import typer

from safegen.cli.console import plain, say

app = typer.Typer(help="Policies: what may leave.", no_args_is_help=True)


@app.command("list")
def list_policies() -> None:
    """Name the policies that come with safegen."""
    from safegen.policy.load import load_policy, shipped_policies

    for name in shipped_policies():
        say(f"[bold]{name}[/]  {plain(load_policy(name).description)}")


@app.command("show")
def show(policy: Annotated[str, typer.Argument(help="A name or a YAML file.")]) -> None:
    """Show a policy's rules; also the way to check one, since a typo does not load."""
    from safegen.policy.load import load_policy

    loaded = load_policy(policy)
    say(f"[bold]{plain(loaded.name)}[/]  {plain(loaded.description)}")
    say(f"[dim]{loaded.digest}[/]")
    for rule in loaded.rules:
        say(f"\n  [bold]{plain(rule.id)}[/] at {rule.stage}\n    {plain(rule.require)}")
        say(f"    [dim]{plain(rule.because)}[/]")
    mining = ", ".join(f"{name} {use}" for name, use in loaded.training_mining.items())
    say(f"\n  training and mining: {mining}")
    say(f"  time-stamps: {'required' if loaded.stamps_required else 'preferred'}")
    say(f"\nIt loads: {len(loaded.rules)} rules.")
