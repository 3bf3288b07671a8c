"""The verdict on a file of which nothing could be read; it needs no reader itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.schemas.verdict import Verdict
from safegen.verification.discovery import shown
from safegen.verification.findings import found
from safegen.verification.reason_codes import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from safegen.schemas.verdict import State

MAX_FILE_BYTES = 2**28  # bytes; C2PA's reader holds a file about twice beside our own copy


def unread(
    path: str | Path,
    code: str,
    text: str,
    state: State = "unreadable",
    notes: Iterable[str] = (),
    c2pa_codes: Iterable[str] = (),
) -> Verdict:
    """The first step fails, and no other can be taken."""
    skipped = (
        found(f"safegen.{step}.skipped", "There is no manifest to check.") for step in STEPS[1:]
    )
    findings = (found(code, text, c2pa_codes), *skipped)
    return Verdict(path=shown(path), state=state, text=text, findings=findings, notes=tuple(notes))
