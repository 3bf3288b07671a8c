"""Taking back keys, models, policies and outputs, and knowing what was taken back.

1. A revocation is made by a successor: a key of the same house whose certificate is younger than
   that of every key that it takes back. So a stolen key takes back nothing of what followed it.
2. It is logged like a release, and the log is never appended to with a key that it took back.
3. The list of all of them is signed anew, by a key that is not among them; or by the root, whose
   word counts for every signer that leads to it.
4. A list is believed by whoever trusts its signer's root; of its keys, those of its own house.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen import storage
from safegen.errors import DataError, InputError, KeyMaterialError
from safegen.provenance.keys import detached
from safegen.provenance.keys.house import (
    certificates,
    is_root,
    key_id,
    root_of,
    same_house,
    speaks_for,
)
from safegen.provenance.keys.profile import name_of
from safegen.provenance.log.checkpoints import moment
from safegen.schemas.canonical import Record, canonical_bytes, digest
from safegen.schemas.log import LogEntry
from safegen.schemas.revocation import Revocation, RevocationList, What

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cryptography.x509 import Certificate

    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.keys.trust import Trust


class _Named(Record):
    """What a revocation is of; by its digest it is found in a log."""

    what: What
    id: str


def place_of(what: What, identity: str) -> str:
    """Under which digest a log files the revocation of something; no file has it."""
    return digest(_Named(what=what, id=identity))


def outlives(revocation: Revocation, seen: str | None) -> bool:
    """Whether a signature stays good although something was taken back.

    Args:
        revocation: what was taken back, and since when.
        seen: when a trusted authority saw the signature; None when none did.
    """
    if revocation.what == "output" or seen is None:
        return False
    signed, since = moment(seen), moment(revocation.since)
    return signed is not None and since is not None and signed < since


def entry_for(revocation: Revocation) -> LogEntry:
    """The row by which a log takes something back."""
    return LogEntry(
        kind="revocation",
        file_digest=place_of(revocation.what, revocation.id),
        model_digest=revocation.id if revocation.what == "model" else None,
        policy_digest=revocation.id if revocation.what == "policy" else None,
        revocation=revocation,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def revoker_error(
    revocation: Revocation, chain: Sequence[Certificate], anchors: Sequence[Certificate]
) -> str | None:
    """Why whoever signs may not take something back, in words; None when they may.

    Args:
        revocation: of a key; whatever else is held against its file where that is.
        chain: of whoever signs, leaf first.
        anchors: the roots that are trusted.
    """
    if revocation.what != "key":
        return None
    taken_back = certificates(revocation.chain)
    if not taken_back or key_id(taken_back[0]) != revocation.id:
        return "its certificates are not those of the key that it names"
    if is_root(chain, anchors):
        return _root_statement_error(taken_back, chain[0], anchors)
    return _successor_error(taken_back, chain, anchors)


def _root_statement_error(
    taken_back: Sequence[Certificate], root: Certificate, anchors: Sequence[Certificate]
) -> str | None:
    if root_of(taken_back, anchors) == root and taken_back[0] != root:
        return None
    return f"{name_of(taken_back[0])} does not lead to {name_of(root)}"


def _successor_error(
    taken_back: Sequence[Certificate], chain: Sequence[Certificate], anchors: Sequence[Certificate]
) -> str | None:
    old, new = taken_back[0], chain[0]
    if key_id(old) == key_id(new):
        return "a key cannot take itself back: sign with its successor"
    if not same_house(taken_back, chain, anchors):
        return (
            f"{name_of(new)} is not the house of {name_of(old)}: that takes a key of the same "
            "issuer, for the same name"
        )
    if new.not_valid_before_utc <= old.not_valid_before_utc:
        return "only a younger certificate takes an older one's key back"
    return None


def sign_list(origin: str, revocations: Sequence[Revocation], signer: Signer) -> RevocationList:
    """The list of a log's revocations, signed now.

    Raises:
        KeyMaterialError: the signer may not take back what is in it.
    """
    chain = certificates(signer.chain)
    for each in revocations:
        problem = revoker_error(each, chain, roots_of(signer))
        if problem is not None:
            raise KeyMaterialError(f"the list cannot be signed with these keys: {problem}")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = RevocationList(origin=origin, time=now, revocations=tuple(revocations))
    return made.model_copy(update={"signature": detached.sign(canonical_bytes(made), signer)})


def roots_of(signer: Signer) -> tuple[Certificate, ...]:
    """What a signer's own successors are known by: the root, or who issued, where no root is."""
    return certificates(signer.anchor) or certificates(signer.chain)[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class BelievedList:
    """A list whose signature stands, with the name that people gave it.

    Attributes:
        name: its file.
        content: what it says.
    """

    name: str
    content: RevocationList

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """Of its signer, leaf first."""
        return certificates(self.content.signature.chain if self.content.signature else None)

    def counts_for(self, chain: Sequence[Certificate], anchors: Sequence[Certificate]) -> bool:
        """Whether it counts for what a signer made: it is of the same house, or by its root."""
        return speaks_for(self.chain, chain, anchors)

    def find(self, what: What, identity: str) -> Revocation | None:
        """The revocation of something; the earliest, where there are several."""
        found = [
            each for each in self.content.revocations if (each.what, each.id) == (what, identity)
        ]
        return min(found, key=lambda each: moment(each.since) or _LONG_AGO, default=None)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def read_lists(paths: Iterable[Path], trust: Trust | None) -> tuple[BelievedList, ...]:
    """Revocation lists that are believed; one that is not is refused, never passed over.

    Args:
        paths: their files.
        trust: whom to believe.

    Raises:
        DataError: a file is no revocation list.
        InputError: nobody is trusted, so that no list can be believed.
        KeyMaterialError: a list is not signed by whoever may take back what is in it.
        StorageError: a file cannot be read.
    """
    lists = tuple(_read(path) for path in paths)
    if not lists:
        return ()
    if trust is None or not trust.signers:
        raise InputError(
            "a revocation list is worth what its signer is: name the root to trust with --trust"
        )
    anchors = trust.anchors
    for each in lists:
        problem = _list_error(each, anchors)
        if problem is not None:
            raise KeyMaterialError(f"{each.name} is not believed: {problem}")
    taken_back = {
        one.id: each.name for each in lists for one in each.content.revocations if one.what == "key"
    }
    for each in lists:
        by = taken_back.get(key_id(each.chain[0]))
        if by is not None:
            raise KeyMaterialError(
                f"{each.name} is not believed: it was signed with a key that {by} takes back"
            )
    return lists


def _read(path: Path) -> BelievedList:
    try:
        content = RevocationList.model_validate_json(storage.read(path))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise DataError(f"{path} is no revocation list: {where}: {problem['msg']}") from error
    return BelievedList(name=str(path), content=content)


def _list_error(given: BelievedList, anchors: bytes) -> str | None:
    """Why a list is not believed, in words; None when it is."""
    content = given.content
    when = moment(content.time)
    if content.signature is None or when is None:
        return "it is not signed, or not dated"
    if any(moment(each.since) is None for each in content.revocations):
        return "a date in it cannot be read"
    unsigned = canonical_bytes(content.model_copy(update={"signature": None}))
    if is_root(given.chain, certificates(anchors)):  # which may sign lists, and nothing else here
        problem = _root_error(given, unsigned, when)
    else:
        problem = detached.signature_error(content.signature, unsigned, anchors, when)
    if problem is not None:
        return problem
    problems = (
        revoker_error(each, given.chain, certificates(anchors)) for each in content.revocations
    )
    return next((each for each in problems if each is not None), None)


def _root_error(given: BelievedList, unsigned: bytes, when: datetime) -> str | None:
    root, signature = given.chain[0], given.content.signature
    if not root.not_valid_before_utc <= when <= root.not_valid_after_utc:
        return f"{name_of(root)} was not valid when it was signed"
    return "it is not signed" if signature is None else detached.mismatch(signature, unsigned)
