"""The logs that a verification asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.location import last_part, without_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from safegen.verification.evidence import NamedLog


def open_ledgers(locations: Iterable[str], *, discreet: bool = False) -> tuple[NamedLog, ...]:
    """Open logs to read; SQLAlchemy is imported only here, because it takes its time.

    Args:
        locations: paths or URLs.
        discreet: whether they are called by their last part alone.
    """
    if not (named := tuple(dict.fromkeys(locations))):
        return ()
    from safegen.provenance.log.ledger import Ledger
    from safegen.verification.evidence import NamedLog

    called = last_part if discreet else without_secret
    return tuple(NamedLog(name=called(each), log=Ledger(each, to_read=True)) for each in named)
