"""Whom a verification believes, what it asks, and what it refuses: said once, for all ways in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from safegen.arguments import require_types
from safegen.location import last_part, locate
from safegen.provenance.keys.trust import read_trust
from safegen.provenance.log.revocation import read_lists
from safegen.verification.workers.process import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

Lists = str | Path | Iterable[str | Path] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationOptions:
    """Whom a verification believes, what it asks, and what it refuses.

    Attributes:
        trust: files of PEM certificates of the roots to trust, one or several, each a list of its
            own; without them nobody vouches for a signer. C2PA's public lists are such files.
        time_trust: the same of time-stamp authorities.
        identity_trust: the same of those who say who somebody is; lines that begin with `did:` name
            aggregators.
        ledger: the log that released files are in, or several, each of which answers; paths or
            SQLAlchemy URLs. A log counts for the files of the house that keeps it.
        witness: roots of those whose logs and receipts count for files of others, too.
        released: refuse a file of which nothing shows that it was released.
        revoked: revocation lists, from `safegen ledger revocations`; one that is not believed
            stops the verification.
        strict: refuse what is otherwise a warning: something that the file was made from did not
            hold when it was used, and its signer says so.
        policy: refuse what the rules of its `publish` stage refuse; a shipped policy's name, or a
            YAML file, or several that must all allow.
        deployment: a YAML file that says where and for whom it is published; rules that ask refuse
            without one.
        discreet: call lists and logs by their file's name alone, without the folders or the host
            that they lie in; for verdicts that are told to strangers.
    """

    trust: Lists = None
    time_trust: Lists = None
    identity_trust: Lists = None
    ledger: Lists = None
    witness: Lists = None
    released: bool = False
    revoked: Lists = None
    strict: bool = False
    policy: Lists = None
    deployment: str | Path | None = None
    discreet: bool = False

    def __post_init__(self) -> None:
        """Refuse what is not of its type."""
        require_types(self)

    def but(self, choices: Mapping[str, Any]) -> VerificationOptions:
        """These options, but for some of them.

        Raises:
            TypeError: there is no option of a name.
        """
        return replace(self, **choices)

    def task(self) -> Task:
        """What a process is told, with all lists read.

        Raises:
            KeyMaterialError: a list holds no certificates, or a revocation list is not believed.
            StorageError: a list cannot be read, or a ledger is no place.
        """
        lists = (self.trust, self.time_trust, self.identity_trust, self.witness)
        trust = read_trust(*map(_several, lists))
        revoked = read_lists((Path(each) for each in _several(self.revoked)), trust)
        if self.discreet:
            trust = trust and trust.renamed(last_part)
            revoked = tuple(replace(each, name=last_part(each.name)) for each in revoked)
        return Task(
            trust=trust,
            ledgers=tuple(str(locate(each)) for each in _several(self.ledger)),
            strict=self.strict,
            released=self.released,
            revoked=revoked,
            discreet=self.discreet,
        )


class Choices(TypedDict, total=False):
    """The same for type checkers, where options are given one by one."""

    trust: Lists
    time_trust: Lists
    identity_trust: Lists
    ledger: Lists
    witness: Lists
    released: bool
    revoked: Lists
    strict: bool
    policy: Lists
    deployment: str | Path | None
    discreet: bool


def _several(lists: Lists) -> tuple[str | Path, ...]:
    if lists is None:
        return ()
    return (lists,) if isinstance(lists, str | Path) else tuple(lists)
