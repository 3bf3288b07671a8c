"""`safegen budget`: what each data set has spent, and what it may spend."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safegen.cli.console import out as console
from safegen.cli.console import plain, say
from safegen.cli.options import Budget
from safegen.errors import InputError
from safegen.location import is_missing

if TYPE_CHECKING:
    from safegen.privacy.accounting.accounts import Account
    from safegen.privacy.accounting.budget import Budget as Ledger

BOTH = (
    "Spent holds however each run was chosen by what earlier ones gave; the last column, only if "
    "all had been chosen beforehand."
)

app = typer.Typer(help="Privacy budgets of data sets, over all runs.", no_args_is_help=True)


@app.command("show")
def show(
    data: Annotated[
        str | None, typer.Argument(help="A data set's name, or the start of its digest.")
    ] = None,
    budget: Budget = None,
) -> None:
    """Show every data set's total and spending; with one named, each of its runs."""
    from rich.table import Table

    from safegen.privacy.accounting import budget as spending
    from safegen.privacy.accounting.budget_tables import default_location

    place = default_location() if budget is None else budget
    if is_missing(place):
        say(f"No data set has spent anything yet: there is no {plain(place)}.")
        return
    ledger = spending.Budget(place)
    accounts = ledger.accounts()
    if data is not None:
        _show_runs(ledger, _named(accounts, data))
        return
    table = Table("data set", "digest", "runs", "epsilon spent", "of", "if planned", box=None)
    for account in accounts:
        total = "not limited (public)" if account.public else f"{account.total:g}"
        table.add_row(
            plain(account.name),
            account.digest[:19],
            str(account.runs),
            f"{account.spent:.4f}",
            total,
            f"{account.planned:.4f}",
        )
    console.print(table)
    say(f"[dim]{plain(place)}; runs that did not finish count as granted. {BOTH}[/]")


@app.command("set")
def set_total(
    data: Annotated[
        str,
        typer.Argument(help="A data set's name, the start of its digest, or where it lies."),
    ],
    epsilon: Annotated[float, typer.Option(help="The total that all runs may spend.")],
    budget: Budget = None,
) -> None:
    """Set a data set's total, if need be before its first run; its owner's decision."""
    from safegen.privacy.accounting import budget as spending

    if not (math.isfinite(epsilon) and epsilon > 0):
        raise InputError(f"a total of epsilon {epsilon:g} is none; give a finite one above 0")
    ledger = spending.Budget(budget)
    name = _begun(ledger, data) if Path(data).exists() else data
    account = _named(ledger.accounts(), name)
    if account.public:
        raise InputError(
            f"{account.name} is a public data set: what it spends is recorded and not limited, so "
            "that a total would hold nobody; load the records as your own, such as a folder, "
            "to have a total for them"
        )
    ledger.set_total(account.digest, epsilon)
    left = f", and has spent {account.spent:.4f} already" if account.spent > epsilon else ""
    say(f"[bold]{plain(account.name)}[/] may spend epsilon {epsilon:g} in all{left}.")


@app.command("backup")
def backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="The copy; nothing is replaced.")],
    budget: Budget = None,
) -> None:
    """Copy the budgets while others may be spending; the copy is as secret as they are."""
    from safegen.pipeline.backup import back_up_budget
    from safegen.privacy.accounting.budget_tables import default_location

    place = default_location() if budget is None else budget
    back_up_budget(place, to)
    say(f"[bold]{plain(to)}[/]: a whole copy of {plain(place)}, in one file")
    say("[dim]What is spent from now on is not in it: a budget never goes back to a copy.[/]")


def _begun(ledger: Ledger, place: str) -> str:
    """The digest of records that lie somewhere, which have an account from now on.

    Raises:
        DataError: there are no records.
    """
    from safegen.data.dataset import SUGGESTED_SIDE_PIXELS
    from safegen.data.sources import load

    card = load(place, size=SUGGESTED_SIDE_PIXELS).card  # a digest does not depend on the size
    ledger.open(card)
    return card.digest


def _named(accounts: tuple[Account, ...], name: str) -> Account:
    """The one account of that name or digest.

    Raises:
        InputError: there is none, or more than one.
    """
    start = f"sha256:{name.removeprefix('sha256:')}"
    named = [each for each in accounts if each.name == name or each.digest.startswith(start)]
    if len(named) != 1:
        many = "no data set is" if not named else f"{len(named)} data sets are"
        raise InputError(
            f"{many} named {name}, or has a digest that starts so; `safegen budget show` lists them"
        )
    return named[0]


def _show_runs(ledger: Ledger, account: Account) -> None:
    """Each run of one data set, with what it alone cost and what all had cost by then."""
    from rich.table import Table

    table = Table("granted", "state", "steps", "alone", "all until then", "if planned", box=None)
    for run in ledger.runs(account.digest):
        table.add_row(
            run.granted,
            "finished" if run.settled else "granted",
            str(run.steps),
            f"{run.epsilon:.4f}",
            f"{run.spent:.4f}",
            f"{run.planned:.4f}",
        )
    console.print(table)
    limit = "(public: not limited)" if account.public else f"of {account.total:g}"
    say(
        f"[bold]{plain(account.name)}[/] ({account.digest[:19]}) has spent epsilon "
        f"{account.spent:.4f} {limit}, at delta {account.delta:.2e}, by {account.unit}."
    )
    say(f"[dim]{BOTH}[/]")
