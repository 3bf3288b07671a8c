"""`safegen budget`: what each data set has spent, and what it may spend."""

from __future__ import annotations

from typing import Annotated

import typer

from safegen.cli.console import out as console
from safegen.cli.console import say
from safegen.cli.options import Budget
from safegen.errors import InputError

app = typer.Typer(help="Privacy budgets of data sets, over all runs.", no_args_is_help=True)


@app.command("show")
def show(budget: Budget = None) -> None:
    """Show every data set's total and spending."""
    from rich.table import Table

    from safegen.privacy import budget as spending

    accounts = spending.Budget(budget).accounts()
    if not accounts:
        say("No data set has spent anything yet.")
        return
    table = Table("data set", "digest", "runs", "epsilon spent", "of", box=None)
    for account in accounts:
        total = "not limited (public)" if account.public else f"{account.total:g}"
        table.add_row(
            account.name, account.digest[:19], str(account.runs), f"{account.spent:.4f}", total
        )
    console.print(table)


@app.command("set")
def set_total(
    digest: Annotated[str, typer.Argument(help="The start of the data set's digest, as shown.")],
    epsilon: Annotated[float, typer.Option(help="The total that all runs may spend.")],
    budget: Budget = None,
) -> None:
    """Set a data set's total; its owner's decision, not a runner's."""
    from safegen.privacy import budget as spending

    if epsilon <= 0:
        raise InputError(f"a total of epsilon {epsilon:g} allows nothing; give one above 0")
    ledger = spending.Budget(budget)
    named = [account for account in ledger.accounts() if account.digest.startswith(digest)]
    if len(named) != 1:
        raise InputError(
            f"{len(named)} data sets have a digest that starts with {digest}; "
            "`safegen budget show` lists them"
        )
    ledger.set_total(named[0].digest, epsilon)
    say(f"[bold]{named[0].name}[/] may spend epsilon {epsilon:g} in all.")
