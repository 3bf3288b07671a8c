"""The command line: arguments to pipeline to exit code, one file a command group."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from safegen.cli import (
    audit,
    budget,
    certificate,
    demo,
    evaluate,
    explain,
    generate,
    keys,
    ledger,
    policy,
    sign,
    train,
    verify,
)
from safegen.cli.console import complain, err
from safegen.cli.streams import settle
from safegen.errors import SafegenError, StorageError

INTERRUPTED = 130

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
app.command("demo")(demo.demo)
app.command("train")(train.train)
app.command("generate")(generate.generate)
app.command("verify")(verify.verify)
app.command("sign")(sign.sign)
app.command("explain")(explain.explain)
app.command("audit")(audit.audit)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(keys.app, name="keys")
app.add_typer(policy.app, name="policy")
app.add_typer(certificate.app, name="certificate")
app.add_typer(budget.app, name="budget")
app.add_typer(ledger.app, name="ledger")


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("safegen"))
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Responsible generation: private training, explained outputs, signed provenance."""


def main() -> None:
    """Run a command; an error is one sentence and its class's exit code."""
    # Waiting threads that spin make a busy machine several times slower; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    settle()
    try:
        app()
    except SystemExit as left:
        if left.code == INTERRUPTED:
            err.print("interrupted: what was written is whole")
        raise
    except SafegenError as error:
        complain(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            complain(StorageError(f"the name {error.filename} is too long; shorten it"))
            sys.exit(StorageError.exit_code)
        if os.environ.get("SAFEGEN_DEBUG"):
            raise
        complain(
            SafegenError(
                f"safegen failed: {type(error).__name__}: {error}; this is a defect, "
                "set SAFEGEN_DEBUG=1 to see where"
            )
        )
        sys.exit(SafegenError.exit_code)
