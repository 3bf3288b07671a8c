"""The logs that a verification asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.location import without_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from safegen.verification.evidence import NamedLog


def open_ledgers(locations: Iterable[str]) -> tuple[NamedLog, ...]:
    """Open logs to read; SQLAlchemy is imported only here, because it takes its time."""
    if not (named := tuple(dict.fromkeys(locations))):
        return ()
    from safegen.provenance.log.ledger import Ledger
    from safegen.verification.evidence import NamedLog

    return tuple(
        NamedLog(name=without_secret(each), log=Ledger(each, to_read=True)) for each in named
    )
