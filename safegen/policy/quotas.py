"""Quotas of a policy: rules about a count, which the ledger's database keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from safegen.schemas.quota import QuotaDocument

QUOTA_USED = "quota.used"


def condition_of(quota: QuotaDocument) -> str:
    """What must be true of a request, in CEL; nobody is counted who is not named.

    >>> from safegen.schemas.quota import QuotaDocument
    >>> condition_of(QuotaDocument(id="daily", outputs=50, every="day"))
    'request.actor != "" && quota.used.daily + request.count <= 50'
    """
    named = [f'request.{who} != ""' for who in ("actor", "purpose") if who in quota.per]
    return " && ".join([*named, f"{QUOTA_USED}.{quota.id} + request.count <= {quota.outputs}"])


def merged(quotas: Iterable[QuotaDocument]) -> tuple[QuotaDocument, ...]:
    """The quotas of several policies, each by its name once; of one name, the smaller limit.

    Raises:
        PolicyError: two of one name count differently.
    """
    found: dict[str, QuotaDocument] = {}
    for quota in quotas:
        other = found.setdefault(quota.id, quota)
        if counts_otherwise(quota, other):
            raise PolicyError(
                f"two quotas are named {quota.id}, and count in other periods or for others; give "
                "one of them another name"
            )
        if quota.outputs < other.outputs:
            found[quota.id] = quota
    return tuple(found.values())


def counts_otherwise(one: QuotaDocument, other: QuotaDocument) -> bool:
    """Whether two quotas are about other counts, whatever their limits are."""
    return (one.every, set(one.per)) != (other.every, set(other.per))
