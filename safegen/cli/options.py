"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Keys = Annotated[
    str,
    typer.Option(help="Who signs: a folder made by `safegen keys init`, or a key's URI."),
]
Ledger = Annotated[str, typer.Option(help="Where releases are logged: a file or a database URL.")]
Budget = Annotated[
    str | None,
    typer.Option(help="Where spending is kept; by default in your own data folder."),
]
TimeStamps = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A time-stamp authority (RFC 3161) for every signature."),
]
TimeTrust = Annotated[
    Path | None,
    typer.Option(help="PEM roots of time-stamp authorities; their stamps outlive signers."),
]
Revoked = Annotated[list[Path] | None, typer.Option(help="A revocation list; repeatable.")]
Policy = Annotated[str, typer.Option(help="A shipped policy's name, or a YAML file.")]
Trust = Annotated[Path | None, typer.Option(help="PEM certificates of the roots to trust.")]
