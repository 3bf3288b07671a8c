"""What a step says: one of safegen's own codes, C2PA's beside it, and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.pipeline.codes import CODES, step_of
from safegen.records.verdict import StepFinding

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
