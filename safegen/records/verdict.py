"""What verifying one file found, step by step: the item of `safegen verify --json`."""

from __future__ import annotations

from typing import Literal

from safegen.records.canonical import Record

State = Literal["trusted", "valid", "invalid", "unsigned", "unsupported", "unreadable"]
Outcome = Literal["passed", "failed", "not_checked"]


class StepFinding(Record):
    """What one numbered step found.

    Attributes:
        step: the step's name, as in `pipeline.verify`.
        outcome: passed, failed, or not checked.
        codes: C2PA's own validation codes, where there are any.
        text: the same in words.
    """

    step: str
    outcome: Outcome
    codes: tuple[str, ...] = ()
    text: str


class Verdict(Record):
    """All steps of one file.

    Attributes:
        path: the file, as it was named.
        state: `trusted` only when no step failed and the signer is on the given list; `valid` is
            intact, but by a signer whom that list does not know.
    """

    path: str
    state: State
    findings: tuple[StepFinding, ...]
