"""What a log takes back of things that are named, found by its index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import RevokedError
from safegen.provenance.log.revocation import BelievedList, place_of
from safegen.schemas.revocation import RevocationList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from safegen.provenance.log.snapshot import LogView
    from safegen.schemas.log import LogCheckpoint
    from safegen.schemas.revocation import Revocation, What

Named = tuple["What", str]


def revocations_of(
    view: LogView, head: LogCheckpoint, named: Iterable[Named]
) -> tuple[Revocation, ...]:
    """The first revocation of each thing that a log takes back under a head.

    Raises:
        TamperedError: a row of one was rewritten.
    """
    entries = (view.find(place_of(what, identity), head.tree_size) for what, identity in named)
    told = (None if found is None else found[0].revocation for found in entries)
    return tuple(each for each in told if each is not None)


def require_not_taken_back(view: LogView, head: LogCheckpoint, named: Iterable[Named]) -> None:
    """Let nothing into a log that was made with what it takes back.

    Raises:
        RevokedError: it takes one of them back.
    """
    for each in revocations_of(view, head, named):
        raise RevokedError(
            f"nothing leaves: since {each.since} {in_words(each)}, as the ledger says; nothing was "
            "logged"
        )


def in_words(revocation: Revocation) -> str:
    """What is revoked and why, for the middle of a sentence."""
    note = f": {revocation.note}" if revocation.note else ""
    return f"the {revocation.what} {revocation.id} is revoked ({revocation.reason}{note})"


def as_list(head: LogCheckpoint, revocations: tuple[Revocation, ...], name: str) -> BelievedList:
    """What a log takes back, as a list by whoever signed its head, which must be believed."""
    content = RevocationList(
        origin=head.origin, time=head.time, revocations=revocations, signature=head.signature
    )
    return BelievedList(name=name, content=content)
