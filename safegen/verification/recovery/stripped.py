"""The step for a file without a manifest: do the logs that are asked know what it looks like?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import DataError, InputError, StorageError, TamperedError
from safegen.verification.findings import found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.provenance.keys.trust import Trust
    from safegen.schemas.verdict import StepFinding, Verdict
    from safegen.verification.evidence import NamedLog

SEARCHED = {"unsigned", "unsupported"}  # states of files without a manifest


def search_for(
    verdict: Verdict, data: bytes, ledgers: Sequence[NamedLog], trust: Trust | None
) -> Verdict:
    """The verdict on a file without a manifest, with what the logs know of its like.

    It becomes `recovered` at best; no other state is touched, and without logs nothing is.

    Raises:
        StorageError: a log cannot be read.
    """
    if not ledgers or verdict.state not in SEARCHED:
        return verdict
    from safegen.verification.recovery.recover import recover  # numpy, for few files

    try:
        recovery = recover(verdict.path, data, ledgers, trust)
    except DataError as error:
        if verdict.state != "unsigned":
            return verdict
        text = f"No ledger was searched for its like: {error}."
        return _with(verdict, found("safegen.ledger.not-searched", text))
    except StorageError:
        raise
    except (InputError, TamperedError) as error:
        return _with(verdict, found("safegen.ledger.not-searched", f"{error}."))
    known = recovery.state == "recovered"
    code = "safegen.ledger.recovered" if known else "safegen.ledger.not-recovered"
    updated = _with(verdict, found(code, recovery.text))
    notes = (*verdict.notes, *recovery.notes)
    if not known:
        return updated.model_copy(update={"notes": notes})
    text = f"{verdict.text} {recovery.text}"
    return updated.model_copy(update={"state": "recovered", "text": text, "notes": notes})


def _with(verdict: Verdict, finding: StepFinding) -> Verdict:
    findings = [finding if each.step == finding.step else each for each in verdict.findings]
    return verdict.model_copy(update={"findings": tuple(findings)})
