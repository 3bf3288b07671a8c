"""What a copy without its manifest leads back to: the item of `safegen recover --json`.

{"format": "safegen.recovery/1", "path": "copy.jpg", "state": "recovered",
 "technique": "fingerprint", "text": "...", "searched": [...], "matches": [...], "notes": []}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from safegen.schemas.canonical import Record
from safegen.schemas.log import LoggedFile

Technique = Literal["watermark", "fingerprint"]  # in the order in which they are asked


class Searched(Record):
    """A log that was searched.

    Attributes:
        ledger: its location, without a password.
        indexed: rows that have a fingerprint in its index.
        marked: rows whose files carry a mark in their pixels.
    """

    ledger: str
    indexed: NonNegativeInt
    marked: NonNegativeInt = 0


class RecoveryMatch(Record):
    """One released file whose mark the copy carries, or that looks like it, as was signed of it.

    Attributes:
        technique: what led to it.
        ledger: the log that has it.
        row: of its entry.
        distance: bits of 64 that differ between the copy and the fingerprint in the manifest; null
            where a mark was read.
        error: the probability that a foreign picture is as near to any row of that log, or seems to
            carry any of its marks so clearly.
        file: the original's name, as its receipt has it.
        signer: who signed its manifest, as the certificate says.
        trusted_by: the list that vouches for the signer; None when none does.
        manifest: the label of its manifest.
        logged: its entry, proved to be under a signed head of the log.
        receipt: the digest of the receipt that was kept, as its JSON was.
    """

    technique: Technique
    ledger: str
    row: NonNegativeInt
    distance: NonNegativeInt | None
    error: Annotated[float, Field(ge=0, le=1)]
    file: str
    signer: str
    trusted_by: str | None
    manifest: str
    logged: LoggedFile
    receipt: str


class Recovery(Record):
    """What the logs say of one copy; it is evidence of origin, and never trust in these bytes.

    Attributes:
        path: the copy, as it was named.
        state: `recovered` when a released file is so near that a foreign picture hardly could be.
        technique: what answered; None when nothing did.
        text: the same in a sentence.
        searched: the logs that were searched.
        matches: released files that are near, the nearest first, also those too far to tell.
        notes: what could not be searched or believed, in sentences.
    """

    format: Literal["safegen.recovery/1"] = "safegen.recovery/1"
    path: str
    state: Literal["recovered", "nothing-found"]
    technique: Technique | None
    text: str
    searched: tuple[Searched, ...]
    matches: tuple[RecoveryMatch, ...]
    notes: tuple[str, ...] = ()
