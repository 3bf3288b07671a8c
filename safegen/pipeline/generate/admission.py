"""Step 1 of a release: the guard judges the request, and it is counted before anything is made."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from safegen.errors import StorageError
from safegen.policy.facts import QuotaFacts
from safegen.policy.guard import admit, decide, refusal, refuse_early
from safegen.provenance.log.usage import Requester, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from safegen.pipeline.generate.told import Known
    from safegen.policy.facts import Facts
    from safegen.policy.policy import Policy
    from safegen.schemas.decision import Decision


def usage_of(ledger: str | Path, policy: Policy) -> Usage | None:
    """Where a policy's quotas are counted; None where it has none.

    Raises:
        StorageError: the database cannot be opened.
    """
    return Usage(ledger) if policy.quotas else None


def admitted(
    policy: Policy, usage: Usage | None, known: Known, foreseen: Callable[[], Iterator[Facts]]
) -> Decision:
    """Admit a request and count it; what is refused is not counted.

    Args:
        policy: that judges.
        usage: where its quotas are counted.
        known: of the request.
        foreseen: what is known of its outputs before they are made.

    Raises:
        Refused: with the decision; also where its quotas could not be counted.
    """
    try:
        with _counting(policy, usage, known) as used:
            admission = admit(policy, known.at_request(QuotaFacts(used=used)))
            for facts in foreseen():
                refuse_early(policy, facts)
    except StorageError as error:  # what cannot be counted is refused, by the quota's name
        decision = decide(policy, known.at_request(QuotaFacts()))
        if decision.allowed:
            raise
        raise refusal(decision) from error
    return admission


@contextlib.contextmanager
def _counting(policy: Policy, usage: Usage | None, known: Known) -> Iterator[dict[str, int] | None]:
    if not policy.quotas:
        yield None
        return
    if usage is None:
        raise StorageError("no database was named to count in")
    request = known.request
    who = Requester(actor=request.actor, purpose=request.purpose, model=known.model.digest)
    with usage.counting(policy.quotas, who, request.count, known.now) as used:
        yield used
