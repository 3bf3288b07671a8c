"""Whether a model may be used: nobody took back it, the key that signed it, or the policy.

The ledger that its outputs go to is asked, and every list of its signer's house that was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import RevokedError
from safegen.provenance.keys.house import certificates, key_id
from safegen.provenance.log.checkpoints import moment
from safegen.provenance.log.revocation import outlives

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.package.files import Package
    from safegen.policy.policy import Policy
    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.log.ledger import Ledger
    from safegen.provenance.log.revocation import BelievedList
    from safegen.provenance.log.taken_back import Named
    from safegen.schemas.revocation import Revocation


def require_in_force(
    opened: Package,
    manifest: Manifest,
    log: Ledger,
    lists: Sequence[BelievedList],
    anchors: bytes | None,
) -> None:
    """Refuse a model that was taken back, or that was signed with a key that was.

    A key's signature stays good when a trusted authority saw it before the key was taken back, and
    also when this very log had the model before that.

    Args:
        opened: the package.
        manifest: its own, found to be trusted.
        log: of the house that uses it.
        lists: that are believed.
        anchors: PEM roots of who may have signed packages.

    Raises:
        RevokedError: it must not be used.
    """
    require_model(opened, log)
    own = [each for each in lists if each.counts_for(manifest.chain, certificates(anchors))]
    for each in own:
        taken_back = each.find("model", opened.digest)
        if taken_back is not None:
            raise RevokedError(_sentence(opened, "it", taken_back))
    key = key_id(manifest.chain[0])
    for taken_back in (log.revocation("key", key), *(each.find("key", key) for each in own)):
        if taken_back is None or outlives(taken_back, manifest.seen_at):
            continue
        logged = _logged(log, opened.content.digests.weights)
        if not _before(logged, taken_back.since):
            later = logged and (
                f"; this ledger has it since {logged}, which is no earlier than the --since of "
                "that revocation"
            )
            said = _sentence(opened, "the key that signed it", taken_back, later or "")
            raise RevokedError(said)


def require_model(opened: Package, log: Ledger) -> None:
    """Refuse a model that the log of its user has taken back.

    Raises:
        RevokedError: it must not be used any more.
    """
    taken_back = log.revocation("model", opened.digest)
    if taken_back is not None:
        raise RevokedError(_sentence(opened, "it", taken_back))


def require_usable(opened: Package, policy: Policy, log: Ledger) -> None:
    """Refuse what the log has taken back since the model was opened.

    Raises:
        RevokedError: the model or a policy must not be used any more.
    """
    require_model(opened, log)
    require_policy(policy, log)


def require_policy(policy: Policy, log: Ledger) -> None:
    """Refuse a policy, or what it extends, that the log has taken back.

    Raises:
        RevokedError: it must not be used any more.
    """
    names = {each.digest: each.name for each in policy.parts} | {policy.digest: policy.name}
    _, found = log.taken_back([("policy", each) for each in digests_of(policy)])
    for each in found:
        note = f": {each.note}" if each.note else ""
        named = names.get(each.id, f"{each.id}, which {policy.name} extends,")
        raise RevokedError(
            f"policy {named} must not be used: it is revoked since {each.since} "
            f"({each.reason}{note}); name another policy"
        )


def made_with(opened: Package, policy: Policy) -> tuple[Named, ...]:
    """What outputs are made with, none of which may be revoked when they leave."""
    return (("model", opened.digest), *(("policy", each) for each in digests_of(policy)))


def digests_of(policy: Policy) -> tuple[str, ...]:
    """Of a policy, of each of several, and of what they extend."""
    own = (policy.digest, *(each.digest for each in policy.parts), *policy.bases)
    return tuple(dict.fromkeys(own))


def _logged(log: Ledger, file_digest: str) -> str | None:
    """When a log got a file; None when it never did."""
    found = log.find(file_digest)
    return None if found is None else found[0].time


def _before(logged: str | None, since: str) -> bool:
    if logged is None:
        return False
    then, end = moment(logged), moment(since)
    return then is not None and end is not None and then < end


def _sentence(opened: Package, whose: str, taken_back: Revocation, more: str = "") -> str:
    note = f": {taken_back.note}" if taken_back.note else ""
    return (
        f"{opened.folder} must not be used: since {taken_back.since} {whose} is revoked "
        f"({taken_back.reason}{note}){more}; use another model"
    )
