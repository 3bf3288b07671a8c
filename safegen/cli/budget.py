"""`safegen budget`: what each data set has spent, and what it may spend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safegen.cli.console import out as console
from safegen.cli.console import plain, say
from safegen.cli.options import Budget
from safegen.errors import InputError

app = typer.Typer(help="Privacy budgets of data sets, over all runs.", no_args_is_help=True)


@app.command("show")
def show(budget: Budget = None) -> None:
    """Show every data set's total and spending."""
    from rich.table import Table

    from safegen.privacy import budget as spending

    place = budget or spending.default_location()
    if "://" not in place and not Path(place).exists():
        say(f"No data set has spent anything yet: there is no {plain(place)}.")
        return
    accounts = spending.Budget(place).accounts()
    table = Table("data set", "digest", "runs", "epsilon spent", "of", box=None)
    for account in accounts:
        total = "not limited (public)" if account.public else f"{account.total:g}"
        table.add_row(
            plain(account.name),
            account.digest[:19],
            str(account.runs),
            f"{account.spent:.4f}",
            total,
        )
    console.print(table)
    say(f"[dim]{plain(place)}; runs that did not finish count as granted.[/]")


@app.command("set")
def set_total(
    digest: Annotated[str, typer.Argument(help="A data set's name, or the start of its digest.")],
    epsilon: Annotated[float, typer.Option(help="The total that all runs may spend.")],
    budget: Budget = None,
) -> None:
    """Set a data set's total; its owner's decision, not a runner's."""
    from safegen.privacy import budget as spending

    if epsilon <= 0:
        raise InputError(f"a total of epsilon {epsilon:g} allows nothing; give one above 0")
    ledger = spending.Budget(budget)
    start = f"sha256:{digest.removeprefix('sha256:')}"
    named = [
        account
        for account in ledger.accounts()
        if account.name == digest or account.digest.startswith(start)
    ]
    if len(named) != 1:
        raise InputError(
            f"{len(named)} data sets are named {digest} or have a digest that starts so; "
            "`safegen budget show` lists them"
        )
    (account,) = named
    ledger.set_total(account.digest, epsilon)
    left = " and has spent more already" if account.spent > epsilon else ""
    say(f"[bold]{plain(account.name)}[/] may spend epsilon {epsilon:g} in all{left}.")
