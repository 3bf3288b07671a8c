"""What was used of a policy's quotas, for people who look after them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.arguments import checked
from safegen.errors import PolicyError
from safegen.policy.load import Sources, load_policies
from safegen.provenance.log.usage import Usage, Used, alike, period_begin

if TYPE_CHECKING:
    from safegen.schemas.quota import Every, QuotaDocument

LONGEST_PERIOD = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """One quota in its present period.

    Attributes:
        quota: as the policy says it.
        until: when its period ends, in UTC; None where it never does.
        used: by each for whom it counts, most first; who has used nothing is not among them.
    """

    quota: QuotaDocument
    until: datetime | None
    used: tuple[Used, ...]


@checked
def quota_use(
    ledger: str | Path, policy: Sources = "baseline", *, actor: str | None = None
) -> tuple[QuotaUse, ...]:
    """Say what was used of policies' quotas in the present period.

    Args:
        ledger: in whose database it is counted.
        policy: one or several, by name or file.
        actor: only what this one has used, and of what is counted for all alike.

    Raises:
        PolicyError: a policy does not load, or none has a quota.
        StorageError: the database is not there, or cannot be read.
    """
    loaded, now = load_policies(policy), datetime.now(UTC)
    if not loaded.quotas:
        raise PolicyError(f"policy {loaded.name} has no quotas; name one that has with --policy")
    usage = Usage(ledger, to_read=True)
    return tuple(
        QuotaUse(
            quota=quota,
            until=period_end(quota.every, now),
            used=tuple(each for each in usage.used(quota, now) if _is_of(each, actor)),
        )
        for quota in loaded.quotas
    )


def period_end(every: Every, now: datetime) -> datetime | None:
    """When the period of a moment ends.

    >>> period_end("month", datetime(2026, 2, 28, 9, 30, tzinfo=UTC)).isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    begin = period_begin(every, now)
    return None if begin is None else period_begin(every, begin + LONGEST_PERIOD[every])


def _is_of(used: Used, actor: str | None) -> bool:
    return actor is None or used.whom.get("actor", alike(actor)) == alike(actor)
