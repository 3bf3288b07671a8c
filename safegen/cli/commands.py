"""All commands, one file each or one a group; only what is asked for is loaded."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMANDS = (
    "demo",
    "plan",
    "train",
    "generate",
    "verify",
    "recover",
    "sign",
    "explain",
    "atlas",
    "audit",
    "evaluate",
    "serve",
    "revoke",
    "revocations",
)
GROUPS = (
    "keys",
    "policy",
    "quota",
    "screens",
    "certificate",
    "budget",
    "ledger",
    "access",
    "marks",
)


def build(names: Iterable[str] = (*COMMANDS, *GROUPS)) -> typer.Typer:
    """The program with some of its commands, in the order of its help.

    Args:
        names: of commands and groups; a module of this package each.
    """
    app = typer.Typer(
        name="safegen",
        help="Responsible generation: private training, explained outputs, signed provenance.",
        epilog=(
            "Exit codes: 0 done, or all trusted. 1 not trusted. 2 wrong use or wrong input. "
            "3 refused by a policy or a budget. 4 could not finish. 130 interrupted."
        ),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(options)
    for name in names:
        module = import_module(f"safegen.cli.{name}")
        if name in GROUPS:
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def build_for(arguments: Iterable[str]) -> typer.Typer:
    """The program with the command that arguments name, or all of them where they name none."""
    name = next((each for each in arguments if not each.startswith("-")), "")
    return build([name]) if name in {*COMMANDS, *GROUPS} else build()


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("safegen"))
        raise typer.Exit


def options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Responsible generation: private training, explained outputs, signed provenance."""
