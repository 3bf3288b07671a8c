"""What a policy file may say, key by key; `docs/schemas/policy.json` is made from it.

The values are texts, as YAML's plainest reading gives them. What they mean together, `policy.load`
checks: expressions, names of facts, what a policy extends.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from safegen.schemas.canonical import Record
from safegen.schemas.decision import Outcome, Stage
from safegen.schemas.label import LabelDocument
from safegen.schemas.mining import Use
from safegen.schemas.quota import QuotaDocument
from safegen.schemas.screens import ScreenDocument, ScreenName

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^/\s]+$")]
Place = Annotated[str, StringConstraints(pattern=r"^(world|[A-Z]{2}(-[A-Z0-9]{1,3})?)$")]
Value = str | bool | int | float | list[str]
Facts = dict[str, Value]


class PeriodDocument(Record):
    """From when until when something is in force, both days included.

    Attributes:
        from_: the first day, as 2026-08-02; left out, it always was.
        until: the last day; left out, no end is set.
    """

    from_: date | None = Field(default=None, alias="from")
    until: date | None = None

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        if self.from_ is not None and self.until is not None and self.until < self.from_:
            raise ValueError(f"it ends on {self.until}, before it begins on {self.from_}")
        return self


class AttestDocument(Record):
    """What software cannot check, and a person must vouch for in the deployment's file.

    Attributes:
        what: a sentence that is true when the person vouches for it.
        who: whose word it takes, such as `legal counsel`.
    """

    what: Text
    who: Text


class RuleDocument(Record):
    """One requirement.

    Attributes:
        id: its name in findings.
        stage: when it is asked.
        require: a condition in CEL that must be true.
        attest: what a person must vouch for, instead of a condition or beside it.
        because: what is required, for people; shown when it passes and when it fails.
        severity: whether breaking it denies, or only warns.
        law: the instrument that asks for it; the policy's own unless it is said here.
        article: where in that instrument.
        uncertain: what is not settled about this law, where it is not.
        effective: when this rule holds; outside, it does not apply.
        jurisdiction: where it holds, such as EU or US-CA; elsewhere, it does not apply.
        remedy: what to do when it is broken.
    """

    id: Name
    stage: Stage
    require: Text | None = None
    attest: AttestDocument | None = None
    because: Text
    severity: Literal["deny", "warn"] = "deny"
    law: Text | None = None
    article: Text | None = None
    uncertain: Text | None = None
    effective: PeriodDocument | None = None
    jurisdiction: Annotated[list[Place], Field(min_length=1)] | None = None
    remedy: Text | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.require is None and self.attest is None:
            raise ValueError("require is missing; a rule has a condition, or something to attest")
        return self


class TestDocument(Record):
    """Facts, and what the policy must say of them; `safegen policy test` asks.

    Attributes:
        it: what it shows, in words.
        stage: when.
        facts: by dotted name, beside those that are `given` to every test; null takes one away.
        attested: ids of the rules for which somebody has vouched.
        expect: the outcome of each rule that matters here, by its id.
        allowed: whether the whole decision lets it pass.
    """

    __test__ = False  # no test of pytest's

    it: Text
    stage: Stage
    facts: Facts = Field(default_factory=dict)
    attested: tuple[str, ...] = ()
    expect: dict[str, Outcome] = Field(default_factory=dict)
    allowed: bool | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if not self.expect and self.allowed is None:
            raise ValueError("expect or allowed is missing, so that it would show nothing")
        return self


class MiningDocument(Record):
    """What others may do with the outputs, in CAWG's words.

    Attributes:
        ai_generative_training: train a generator.
        ai_inference: show them to a model.
        ai_training: train another model.
        data_mining: search them for patterns.
    """

    ai_generative_training: Use | None = None
    ai_inference: Use | None = None
    ai_training: Use | None = None
    data_mining: Use | None = None


class PolicyDocument(Record):
    """A policy: what must be true before something is trained, made, let out or published.

    Attributes:
        name: its own.
        description: one sentence.
        version: its own.
        law: the instrument that its rules are about.
        extends: a policy whose rules hold as well: a shipped one, or a file beside this one. It can
            be tightened here, and not loosened.
        effective: when the policy may be used; outside, it denies.
        jurisdiction: where its rules hold, unless a rule says otherwise.
        time_stamps: whether nothing may leave without a time-stamp.
        training_mining: what others may do with the outputs.
        screens: by name, those that the policy brings along, and what it says of others.
        rules: at least one.
        label: what every output shows, drawn before it is encoded and signed; none unless it is
            said, and `{}` for the usual one.
        quotas: how many outputs may be made, for whom and in which period.
        given: facts that every test begins with.
        tests: of the policy itself.
    """

    name: Name
    description: Text
    version: Text | None = None
    law: Text | None = None
    extends: Text | None = None
    effective: PeriodDocument | None = None
    jurisdiction: Annotated[list[Place], Field(min_length=1)] | None = None
    time_stamps: Literal["preferred", "required"] | None = None
    training_mining: MiningDocument | None = None
    screens: dict[ScreenName, ScreenDocument] = Field(default_factory=dict)
    rules: Annotated[list[RuleDocument], Field(min_length=1)]
    label: LabelDocument | None = None
    quotas: tuple[QuotaDocument, ...] = ()
    given: Facts = Field(default_factory=dict)
    tests: tuple[TestDocument, ...] = ()
