"""What verifying one file found: the item of `safegen verify --format json`.

{"format": "safegen.verdict/2", "path": "out/0001.png", "state": "trusted",
 "text": "Signed by ...", "signer": {"name": "...", "trusted_by": "keys/root.pem"},
 "time_stamp": null, "manifest_beside": null, "ingredients": [...], "findings": [...]}
"""

from __future__ import annotations

from typing import Literal

from safegen.records.canonical import Record

State = Literal["trusted", "valid", "invalid", "unsigned", "unsupported", "unreadable"]
Outcome = Literal["passed", "warned", "failed", "not_checked"]


class SignerFinding(Record):
    """Who signed, as far as the manifest says.

    Attributes:
        name: common name and issuer of the signing certificate.
        trusted_by: the list that vouches for it; None when none does.
    """

    name: str
    trusted_by: str | None


class StampFinding(Record):
    """A time-stamp that holds.

    Attributes:
        time: ISO 8601, in UTC.
        authority: the common name in its certificate.
        trusted_by: the list that vouches for the authority; None when none does.
    """

    time: str
    authority: str
    trusted_by: str | None


class IngredientFinding(Record):
    """One thing that the file was made from.

    Attributes:
        title: its file's name, or what people call it.
        relationship: C2PA's term for its part: parentOf, componentOf or inputTo.
        state: its own, apart from what it was made from itself.
        signer: common name and issuer of who signed its manifest; None when it has none.
        codes: C2PA's codes of what does not hold.
        declared: those among them that whoever used it recorded.
        text: the same in words.
        ingredients: what it was made from itself.
    """

    title: str
    relationship: str
    state: Literal["sound", "broken", "unsigned"]
    signer: str | None
    codes: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    text: str
    ingredients: tuple[IngredientFinding, ...] = ()


class StepFinding(Record):
    """What one numbered step found.

    Attributes:
        step: the step's name, as in `pipeline.steps`.
        outcome: passed, warned, failed, or not checked; a warning leaves the file's state alone.
        codes: the first is safegen's own and tells the reason; C2PA's validation codes follow.
        text: the same in words.
    """

    step: str
    outcome: Outcome
    codes: tuple[str, ...] = ()
    text: str


class Verdict(Record):
    r"""All steps of one file.

    Attributes:
        path: the file, as it was named; bytes that are no UTF-8 are written as in `\xff`.
        state: `trusted` only when no step failed and the signer is on a given list; `valid` is
            intact, but by a signer whom those lists do not know.
        text: what matters most, in a sentence.
        signer: who signed; None where no manifest could be read.
        time_stamp: None when there is none, or one that does not hold.
        manifest_beside: the file that holds its manifest; None when that is in the file itself.
        ingredients: what it was made from, each with its own state.
        findings: of each step, in order.
        notes: what else its reader should know and what changes no state, in sentences: a name
            that does not fit the bytes, a second manifest, files that nobody signed.
    """

    format: Literal["safegen.verdict/2"] = "safegen.verdict/2"
    path: str
    state: State
    text: str
    signer: SignerFinding | None = None
    time_stamp: StampFinding | None = None
    manifest_beside: str | None = None
    ingredients: tuple[IngredientFinding, ...] = ()
    findings: tuple[StepFinding, ...]
    notes: tuple[str, ...] = ()
