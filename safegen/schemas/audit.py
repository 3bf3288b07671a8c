"""What an audit tried, what it assumed, and what it found: `audit.json`.

{
  "format": "safegen.audit/1", "subject": "digits-vae sha256:...",
  "epsilon": 7.99, "recomputed": 7.99, "delta": 7.4e-05, "unit": "record",
  "attacks": [{"name": "canaries in the run", "lower_bound": 2.0, "confidence": 0.95, ...}],
  "membership": {"auc": {"value": 0.51, ...}, "tpr": {"value": 0.001, ...}, "fpr": 0.001, ...},
  "mechanism": [{"what": "the noise's standard deviation ...", "p_value": 0.4, ...}],
  "sound": true, "cost": "nothing: ...", "assumptions": ["..."]
}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from safegen.schemas.canonical import Record
from safegen.schemas.card import Unit

Share = Annotated[float, Field(ge=0, le=1)]


class Attack(Record):
    """One attempt to prove that epsilon is large.

    Attributes:
        name: what it is called.
        sees: what the attacker saw.
        lower_bound: epsilon is at least this, with `confidence`; 0 says nothing.
        confidence: of the bound.
        evidence: what it rests on, in words.
    """

    name: str
    sees: str
    lower_bound: NonNegativeFloat
    confidence: Share
    evidence: str


class Rate(Record):
    """A share with its interval.

    Attributes:
        value: the estimate.
        low: the interval's lower end.
        high: its upper end.
    """

    value: Share
    low: Share
    high: Share


class Membership(Record):
    """How well members of the data are told from others by the finished generator's pictures.

    Attributes:
        auc: how often a member looks more like one than another record; 0.5 is chance.
        tpr: share of members found where a share of `fpr` of the others is accused.
        fpr: that share.
        confidence: of both intervals.
        members: how many were asked about.
        others: how many held-out records were.
    """

    auc: Rate
    tpr: Rate
    fpr: Share
    confidence: Share
    members: PositiveInt
    others: PositiveInt


class Measured(Record):
    """One property of the engine beside what the plan says; `p_value` of a sound engine."""

    what: str
    found: float
    expected: float
    p_value: Share
    sound: bool


class AuditReport(Record):
    """An audit.

    Attributes:
        subject: what was audited.
        epsilon: the claimed upper bound.
        recomputed: from the events.
        delta: of both, and of every lower bound.
        unit: what is protected: a record, or a group.
        attacks: each with its lower bound.
        membership: null when no held-out records were given.
        mechanism: the installed engine beside the plan.
        sound: whether nothing found contradicts the claim.
        cost: what the audit took from the data set's budget, in words.
        assumptions: what it took for granted.
    """

    format: Literal["safegen.audit/1"] = "safegen.audit/1"
    subject: str
    epsilon: NonNegativeFloat
    recomputed: NonNegativeFloat
    delta: Share
    unit: Unit
    attacks: tuple[Attack, ...]
    membership: Membership | None
    mechanism: tuple[Measured, ...]
    sound: bool
    cost: str
    assumptions: tuple[str, ...]
