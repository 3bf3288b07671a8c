"""What a deployment's file may say; `docs/schemas/deployment.json` is made from it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from safegen.schemas.canonical import Record
from safegen.schemas.policy import Place, Text


class AttestationDocument(Record):
    """Somebody's word.

    Attributes:
        by: who gives it, with their role.
        on: since when it holds.
        until: the last day on which it holds; left out, no end is set.
        note: where the evidence lies.
    """

    by: Text
    on: date
    until: date | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _has_days(self) -> Self:
        if self.until is not None and self.until < self.on:
            raise ValueError(f"it ends on {self.until}, before it begins on {self.on}")
        return self


class DeploymentDocument(Record):
    """Where and for whom a system runs; what is left out is not known, and rules about it refuse.

    Attributes:
        provider: who answers for the system.
        system: its name.
        system_version: its version.
        placed_on_market: since when it is offered.
        exposure: who meets its outputs.
        jurisdictions: where they are met: EU, DE, US-CA, ..., or world.
        audience: whom it is for.
        sector: what it is used in.
        monthly_users: how many people use it in a month.
        is_deepfake: whether outputs resemble existing people, places or events and seem authentic.
        is_artistic: whether they are evidently artistic, creative, satirical or fictional work.
        shows_people: whether outputs can show people who could be recognised.
        consumer: whether anybody may use it, rather than firms alone.
        detector: the address where anybody may check an output; `none` where there is none.
        attested: who vouches for what software cannot check, by policy and rule: `name/rule`.
    """

    provider: Text | None = None
    system: Text | None = None
    system_version: Text | None = None
    placed_on_market: date | None = None
    exposure: Literal["public", "business", "internal"] | None = None
    jurisdictions: Annotated[list[Place], Field(min_length=1)] | None = None
    audience: Literal["everyone", "adults", "children", "professionals"] | None = None
    sector: Literal["general", "health", "education", "research", "fashion", "finance"] | None = (
        None
    )
    monthly_users: NonNegativeInt | None = None
    is_deepfake: bool | None = None
    is_artistic: bool | None = None
    shows_people: bool | None = None
    consumer: bool | None = None
    detector: Text | None = None
    attested: dict[str, AttestationDocument] = Field(default_factory=dict)
