"""A copy whose manifest was stripped, back to what was signed; never imports torch.

1. The techniques are asked in their order; each says which rows of a log to look at.
2. Of each row, only what was signed is believed (`originals`).
3. How likely a foreign picture is as near among so many rows is told, and decides (`chance`).

What is found says that a released file looks like this. It says nothing of these bytes: they may
have been changed in whatever the eye or 64 bits pass over. So the state is never `trusted`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import InputError, TamperedError
from safegen.modality import image_code
from safegen.modality.image import pixels_of
from safegen.modality.registry import by_fingerprint, fingerprints_to_find
from safegen.schemas.canonical import sha256
from safegen.schemas.recovery import Recovery, RecoveryMatch, Searched
from safegen.verification.discovery import shown
from safegen.verification.recovery import chance
from safegen.verification.recovery.originals import FINGERPRINT, original_of
from safegen.verification.recovery.watermarks import marks_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from safegen.provenance.keys.trust import Trust
    from safegen.provenance.log.index import Alike, Kept
    from safegen.schemas.recovery import Technique
    from safegen.verification.evidence import NamedLog
    from safegen.verification.recovery.originals import Original
    from safegen.verification.recovery.watermarks import Marked

MOST = 5  # matches that are told


def codes_of(data: bytes) -> tuple[bytes, ...]:
    """The fingerprints by which a picture is searched for.

    Raises:
        DataError: it is no picture, is too large, or shows nothing.
    """
    kind = by_fingerprint(FINGERPRINT)
    assert kind is not None
    return fingerprints_to_find(kind, data)


def recover(
    path: str | Path, data: bytes, ledgers: Sequence[NamedLog], trust: Trust | None
) -> Recovery:
    """What the logs know of a picture that looks like this.

    Args:
        path: what the copy is called.
        data: its bytes.
        ledgers: the logs to search.
        trust: whom to trust about signers; None for nobody.

    Raises:
        DataError: no fingerprint can be taken of it.
        InputError: the one log that was given has no index; of several, a note says so.
        TamperedError: likewise, its index does not hold together.
        StorageError: a log cannot be read.
    """
    picture = _Picture(data)
    searched: list[Searched] = []
    matches: list[RecoveryMatch] = []
    notes: list[str] = []
    for named in ledgers:
        asked = _Asked(named=named, trust=trust, notes=notes)
        try:
            indexed, found = asked.search(picture)
        except (InputError, TamperedError) as error:
            if len(ledgers) == 1:
                raise type(error)(f"{named.name} cannot be searched: {error}") from error
            notes.append(f"{named.name} cannot be searched: {error}.")
            continue
        searched.append(indexed)
        matches += found
    matches.sort(key=lambda match: (match.technique != "watermark", match.error, match.distance))
    return _told(path, searched, matches[:MOST], notes)


class _Picture:
    """A copy as each technique sees it; what is costly is done once, and when it is needed."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @functools.cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(1 or 3, height, width)."""
        return pixels_of(self._data)

    @functools.cached_property
    def codes(self) -> tuple[bytes, ...]:
        return codes_of(self._data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One log that is searched, and whom to trust about what it has."""

    named: NamedLog
    trust: Trust | None
    notes: list[str]

    def search(self, picture: _Picture) -> tuple[Searched, list[RecoveryMatch]]:
        """Marks first; where none is proved, the fingerprint."""
        index = self.named.log.index
        marked = marks_in(picture.pixels, index, self.named.log.origin)
        found = list(self._carried(marked[:MOST]))
        if found:
            indexed = index.indexed()
        else:
            alike = index.alike(picture.codes, within=chance.FURTHEST, most=MOST)
            indexed, found = alike.indexed, list(self._alike(alike, picture.codes))
        marks = sum(index.marked().values())
        return Searched(ledger=self.named.name, indexed=indexed, marked=marks), found

    def _carried(self, marked: Sequence[Marked]) -> Iterator[RecoveryMatch]:
        """The rows that stand, and whose signer states the very mark that was read."""
        for each in marked:
            read = self._original(each.number)
            if read is None:
                continue
            kept, original = read
            if not original.carries(each.algorithm, each.id):
                self._doubt(each.number, "its manifest states another mark than the index")
                continue
            yield self._match("watermark", each.number, kept, original, error=each.error)

    def _alike(self, alike: Alike, codes: Sequence[bytes]) -> Iterator[RecoveryMatch]:
        """The rows that stand, with the distance to what their signer states."""
        for near in alike.near:
            read = self._original(near.number)
            if read is None:
                continue
            kept, original = read
            stated = original.codes(FINGERPRINT)
            share = min((image_code.difference(a, b) for a in stated for b in codes), default=1.0)
            distance = round(share * image_code.CODE_BITS)
            if distance > chance.FURTHEST:
                self._doubt(near.number, "its manifest describes another picture than the index")
                continue
            error = chance.error(distance, alike.indexed)
            yield self._match(
                "fingerprint", near.number, kept, original, error=error, distance=distance
            )

    def _original(self, number: int) -> tuple[Kept, Original] | None:
        try:
            kept = self.named.log.index.kept(number)
            if kept is None:
                raise TamperedError("nothing was kept of it")  # noqa: TRY301 - one way out
            return kept, original_of(kept, self.trust)
        except TamperedError as error:
            self._doubt(number, str(error))
            return None

    def _doubt(self, number: int, why: str) -> None:
        self.notes.append(f"Row {number} of {self.named.name} is not believed: {why}.")

    def _match(
        self,
        technique: Technique,
        number: int,
        kept: Kept,
        original: Original,
        *,
        error: float,
        distance: int | None = None,
    ) -> RecoveryMatch:
        return RecoveryMatch(
            technique=technique,
            ledger=self.named.name,
            row=number,
            distance=distance,
            error=error,
            file=original.receipt.file,
            signer=original.manifest.signer,
            trusted_by=original.manifest.trusted_by,
            manifest=original.manifest.label,
            logged=kept.logged,
            receipt=sha256(kept.receipt),
        )


def _told(
    path: str | Path,
    searched: Sequence[Searched],
    matches: Sequence[RecoveryMatch],
    notes: Sequence[str],
) -> Recovery:
    likely = [each for each in matches if each.error <= chance.LIKELY]
    likely = [each for each in likely if each.technique == likely[0].technique]
    best = likely[0] if likely else None
    return Recovery(
        path=shown(path),
        state="nothing-found" if best is None else "recovered",
        technique=None if best is None else best.technique,
        text=_found(best, likely[1:]) if best is not None else _nothing(searched, matches),
        searched=tuple(searched),
        matches=tuple(matches),
        notes=tuple(notes),
    )


def _found(best: RecoveryMatch, others: Sequence[RecoveryMatch]) -> str:
    """Outputs of one generator may look so alike that a copy could be of several."""
    vouched = (
        "whom no list that was given vouches for"
        if best.trusted_by is None
        else f"whom the list {best.trusted_by} vouches for"
    )
    how = (
        "it carries a mark that the ledger gave to that file alone; a picture without it seems to"
        if best.technique == "watermark"
        else f"{best.distance} of 64 bits differ; a foreign picture is as near"
    )
    return (
        f"By its {best.technique} this is a copy of {best.file}{_or(others)} released at "
        f"{best.logged.entry.time} (row {best.row} of {best.ledger}; {how} "
        f"with a probability of {best.error:.1g} or less). "
        f"Its manifest was signed by {best.signer}, {vouched}. Of the copy's own bytes it says "
        "nothing."
    )


def _or(others: Sequence[RecoveryMatch]) -> str:
    if not others:
        return ""
    named = ", ".join(f"{each.file} (row {each.row})" for each in others)
    return f", or of one that looks like it: {named}; the first was"


def _nothing(searched: Sequence[Searched], matches: Sequence[RecoveryMatch]) -> str:
    if not searched:
        return "Nothing was found: no ledger could be searched."
    rows = sum(each.indexed for each in searched)
    if not matches:
        return f"Nothing was found: of {rows} released files none that is known to be is near."
    best = matches[0]
    return (
        f"Nothing was found: of {rows} released files {best.file} is nearest, and a foreign "
        f"picture would be as near with a probability of up to {best.error:.1g} "
        f"({best.distance} of 64 bits differ)."
    )
