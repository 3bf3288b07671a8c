"""Copies of a ledger or a budget that others may be writing to; whole, synced and looked at.

1. The copy is taken by SQLite's backup interface, at one moment of the database, into a new file.
2. It is checked where it lies: a ledger row by row, a budget by SQLite itself.
3. Only then it gets its name, which nothing may have yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen import database
from safegen.errors import StorageError, TamperedError
from safegen.provenance.log.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.progress import Progress
    from safegen.schemas.log import LogReport


def back_up_ledger(
    location: str | Path, to: str | Path, *, anchors: bytes | None, progress: Progress
) -> LogReport:
    """Copy a ledger, and check every row and head of the copy.

    Args:
        location: the ledger, an SQLite file.
        to: the copy's name, which nothing may have yet.
        anchors: PEM certificates of who may have signed its heads; None believes anybody.
        progress: told how far the check is.

    Returns:
        What the check found; a copy of a faulty ledger is kept, because it shows the faults.

    Raises:
        StorageError: there is no such ledger, it is on a server, or the copy cannot be written.
        TamperedError: the copy holds fewer entries than the ledger held before; it is not kept.
    """
    before = Ledger(location, to_read=True).rows_there()
    with database.copied(location, to) as copy:
        report = Ledger(copy, to_read=True).check(anchors=anchors, progress=progress)
        if report.entries < before:
            raise TamperedError(
                f"the copy has {report.entries} entries of {before}, so that it was not kept; try "
                "again, and look at the ledger with `safegen ledger check`"
            )
    return report


def back_up_budget(location: str | Path, to: str | Path) -> None:
    """Copy a budget's ledger, readable by its owner alone, as the original.

    Args:
        location: the budget, an SQLite file.
        to: the copy's name, which nothing may have yet.

    Raises:
        StorageError: there is no such budget, it is on a server, it is something else, or the copy
            cannot be written.
    """
    with database.copied(location, to) as copy:
        engine = database.connect_to_read(copy)
        try:
            if not database.holds_table(engine, "grants"):
                raise StorageError(f"{location} keeps no budget; name the file that does")
        finally:
            engine.dispose()
