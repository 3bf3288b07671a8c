"""What verifying one file found: the item of `safegen verify --format json`.

{"format": "safegen.verdict/4", "path": "out/0001.png", "state": "trusted",
 "text": "Signed by ...", "signer": {"name": "...", "trusted_by": "keys/root.pem"},
 "time_stamp": null, "manifest_beside": null, "ingredients": [...], "findings": [...]}

Version 3 knew no state `recovered`, and is read.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from safegen.schemas.canonical import Record

State = Literal["trusted", "valid", "invalid", "recovered", "unsigned", "unsupported", "unreadable"]
Outcome = Literal["passed", "warned", "failed", "not_checked"]


class SignerFinding(Record):
    """Who signed, as far as the manifest says.

    Attributes:
        name: common name in the signing certificate, and in parentheses the organisation that it
            names as the signer's (not who issued it); of bounded length, and with a remark in
            brackets where letters hide or look like others.
        trusted_by: the list that vouches for it; None when none does.
        issuer: who issued that certificate, as it says itself: common name, and organisation in
            parentheses; shown likewise. Absent where no certificate can be read.
    """

    name: str
    trusted_by: str | None
    issuer: Annotated[str | None, Field(exclude_if=lambda issuer: issuer is None)] = None


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
        signer: who signed its manifest, likewise; None when it has none.
        codes: C2PA's codes of what does not hold.
        declared: those among them that whoever used it recorded.
        trusted: whether a list that was given vouches for its signer; None where nobody signed
            it, or where that cannot be told, further back.
        text: the same in words.
        ingredients: what it was made from itself.
    """

    title: str
    relationship: str
    state: Literal["sound", "broken", "unsigned"]
    signer: str | None
    codes: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    trusted: bool | None = None
    text: str
    ingredients: tuple[IngredientFinding, ...] = ()


class IdentityFinding(Record):
    """Somebody who stands for a file, beside its signer.

    Attributes:
        name: as the certificate or the aggregator has it.
        vouched_by: the aggregator's decentralised identifier; None where a certificate is shown.
        trusted_by: the list that vouches for it; None when none does.
        state: `trusted`; `unlisted` when it holds and no list vouches for it; `unasked` when a host
            would have to be asked; `lapsed` when it is out of date; `unclear` when it cannot be
            checked; `broken` when it is false.
        codes: of what did not hold.
    """

    name: str
    vouched_by: str | None
    trusted_by: str | None
    state: Literal["trusted", "unlisted", "unasked", "lapsed", "unclear", "broken"]
    codes: tuple[str, ...] = ()


class OriginFinding(Record):
    """One thing that a manifest says of how its file came to be.

    Attributes:
        source: the term as it is in the manifest, of IPTC's or C2PA's vocabulary or any other.
        text: the same in words; a term that is not known is quoted.
        said_by: `signer`, or `nobody` where the signer gathered it from elsewhere.
    """

    source: str
    text: str
    said_by: Literal["signer", "nobody"]


class StepFinding(Record):
    """What one numbered step found.

    Attributes:
        step: the step's name, as in `verification.steps.order`.
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
            intact, but by a signer whom those lists do not know. `recovered` has no manifest, and
            looks like a file that a log has; nothing is known of its own bytes.
        text: what matters most, in a sentence.
        signer: who signed; None where no manifest could be read.
        time_stamp: None when there is none, or one that does not hold.
        manifest_beside: the file that holds its manifest; None when that is in the file itself.
        ingredients: what it was made from, each with its own state.
        identities: who else stands for it.
        origins: how it came to be, as its manifest says, and whose word that is.
        findings: of each step, in order.
        notes: what else its reader should know and what changes no state, in sentences: a name
            that does not fit the bytes, a second manifest, files that nobody signed.
    """

    format: Literal["safegen.verdict/4", "safegen.verdict/3"] = "safegen.verdict/4"
    path: str
    state: State
    text: str
    signer: SignerFinding | None = None
    time_stamp: StampFinding | None = None
    manifest_beside: str | None = None
    ingredients: tuple[IngredientFinding, ...] = ()
    identities: tuple[IdentityFinding, ...] = ()
    origins: tuple[OriginFinding, ...] = ()
    findings: tuple[StepFinding, ...]
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_of_its_version(self) -> Self:
        if self.state == "recovered" and self.format == "safegen.verdict/3":
            raise ValueError("state in safegen.verdict/3 is never recovered")
        return self
