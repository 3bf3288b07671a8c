"""How many outputs somebody may have in a period, as a policy says it and a ledger counts it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from safegen.schemas.canonical import Record

Every = Literal["hour", "day", "month", "ever"]
Per = Literal["actor", "purpose", "model"]


class QuotaDocument(Record):
    """A limit of outputs, which is a rule of the stage `request` as well.

    Attributes:
        id: its name in findings and in facts: `quota.used.<id>`.
        outputs: how many, at most.
        every: in which period, by the calendar in UTC; `ever` is without an end.
        per: for each of whom or what; for all together where the list is empty.
        because: what is required, for people; made of the limit where it is left out.
        remedy: what to do when it is used up.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    outputs: PositiveInt
    every: Every
    per: tuple[Per, ...] = ("actor",)
    because: Annotated[str | None, Field(min_length=1)] = None
    remedy: Annotated[str | None, Field(min_length=1)] = None

    def in_words(self) -> str:
        """The limit as a sentence.

        >>> QuotaDocument(id="daily", outputs=50, every="day").in_words()
        'At most 50 outputs a day are made for each actor.'
        """
        when = "in all" if self.every == "ever" else f"{_PERIOD_ARTICLES[self.every]} {self.every}"
        whom = "all together" if not self.per else f"each {' and '.join(self.per)}"
        return f"At most {self.outputs:,} outputs {when} are made for {whom}."


_PERIOD_ARTICLES = {"hour": "an", "day": "a", "month": "a"}
