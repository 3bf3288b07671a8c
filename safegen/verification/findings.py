"""What a step says: one of safegen's own codes, C2PA's beside it, and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.schemas.verdict import StepFinding
from safegen.verification.reason_codes import CODES, step_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def found(code: str, text: str, c2pa_codes: Iterable[str] = ()) -> StepFinding:
    """A finding; its step and outcome are those of its code.

    >>> found("safegen.ledger.unknown", "No such file.").outcome
    'failed'
    """
    return StepFinding(
        step=step_of(code), outcome=CODES[code].outcome, codes=(code, *c2pa_codes), text=text
    )


def worst(findings: Iterable[StepFinding]) -> StepFinding:
    """Of several findings of one step, the first that failed, or else the first.

    Raises:
        ValueError: there is none.
    """
    all_of_them = list(findings)
    if not all_of_them:
        raise ValueError("of no findings, none is the worst")
    return next((each for each in all_of_them if each.outcome == "failed"), all_of_them[0])
