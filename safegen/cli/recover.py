"""`safegen recover`: copies without manifests to what was signed; 0 when all lead somewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def recover(
    paths: Annotated[list[Path], typer.Argument(help="Pictures whose manifests were stripped.")],
    ledger: Annotated[
        list[str] | None,
        typer.Option(help="A log of releases: a file or a database URL; repeatable."),
    ] = None,
    trust: Annotated[
        list[Path] | None,
        typer.Option(help="PEM certificates of the roots to trust; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Find what a stripped, re-encoded or resized picture was: its row, receipt and manifest."""
    import json

    from safegen.cli.console import plain, say
    from safegen.cli.streams import document
    from safegen.errors import DataError, InputError
    from safegen.provenance.keys.trust import read_trust
    from safegen.verification.discovery import UnfitFileError, content_of
    from safegen.verification.ledgers import open_ledgers
    from safegen.verification.recovery.recover import recover as find
    from safegen.verification.unread import MAX_FILE_BYTES

    if not ledger:
        raise InputError("no ledger was named; say where the releases were logged with --ledger")
    logs, lists = open_ledgers(ledger), read_trust(trust or ())
    found = []
    for path in paths:
        try:
            found.append(find(path, content_of(path, MAX_FILE_BYTES), logs, lists))
        except FileNotFoundError as error:
            raise InputError(f"no file at {path}; name a picture") from error
        except (DataError, UnfitFileError) as error:
            why = str(error).removesuffix(".")
            raise DataError(f"{path} cannot be searched for: {why}") from error
    if as_json:
        document(json.dumps([each.model_dump(mode="json") for each in found], indent=2) + "\n")
    else:
        for each in found:
            mark = "[yellow]~[/]" if each.state == "recovered" else "[dim]·[/]"
            say(f"{mark} {each.state:<14} {plain(each.path)}\n  {plain(each.text)}")
            for note in each.notes:
                say(f"  [yellow]![/] {plain(note)}")
    if any(each.state != "recovered" for each in found):
        raise typer.Exit(1)
