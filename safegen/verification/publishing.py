"""What a reader's own policy says of a verified file: the rules of its `publish` stage.

This is not the step `policy`, which reads the decision in a file's manifest: here whoever verifies
asks for more than C2PA does, such as that nothing that a file was made from was broken.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from safegen.errors import PolicyError
from safegen.policy.deployment import UNKNOWN, moment
from safegen.policy.facts import FileFacts, facts_at
from safegen.policy.guard import decide
from safegen.policy.load import load_policies
from safegen.schemas.decision import LETS_PASS
from safegen.verification.findings import found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from safegen.policy.deployment import Deployment
    from safegen.policy.facts import Facts
    from safegen.policy.load import Sources
    from safegen.policy.policy import Policy
    from safegen.schemas.verdict import IngredientFinding, Verdict


def publishing_policy(source: Sources) -> Policy:
    """Load a policy that has rules for finished files.

    Args:
        source: the name of a shipped policy, or the path of a YAML file; or several.

    Raises:
        PolicyError: it does not load, or has no such rules.
    """
    policy = load_policies(source)
    if not any(rule.stage == "publish" for rule in policy.rules):
        raise PolicyError(
            f"policy {policy.name} has no rule for the publish stage, so no file could pass; write "
            "one (docs/policies.md), or leave out the policy"
        )
    return policy


def judged(verdict: Verdict, policy: Policy, deployment: Deployment = UNKNOWN) -> Verdict:
    """A verdict with what a policy says of it.

    A file that the policy refuses is `invalid`, as one is that any other step refuses.
    """
    decision = decide(policy, facts_of(verdict, deployment, datetime.now(UTC)))
    if decision.allowed:
        text = f"Your policy {policy.name} allows it: all {len(decision.findings)} rules passed."
        finding = found("safegen.publish.allowed", text)
        return verdict.model_copy(update={"findings": (*verdict.findings, finding)})
    broken = [each for each in decision.findings if each.outcome not in LETS_PASS]
    reasons = "; ".join(f"{each.rule}: {each.text}" for each in broken)
    finding = found("safegen.publish.refused", f"Your policy {policy.name} refuses it: {reasons}")
    update: dict[str, object] = {"findings": (*verdict.findings, finding)}
    if verdict.state in {"trusted", "valid"}:  # any other state says what is wrong already
        update |= {"state": "invalid", "text": finding.text}
    return verdict.model_copy(update=update)


def facts_of(verdict: Verdict, deployment: Deployment, now: datetime) -> Facts:
    """What rules of the publish stage may speak of; pure."""
    items, stamp = list(_all(verdict.ingredients)), verdict.time_stamp
    file = FileFacts(
        state=verdict.state,
        signer="" if verdict.signer is None else verdict.signer.name,
        trusted=verdict.state == "trusted",
        time_stamped=stamp is not None and stamp.trusted_by is not None,
        ingredients=len(items),
        declared_broken=sum(bool(each.declared) for each in items),
        unsigned_ingredients=sum(each.state == "unsigned" for each in items),
    )
    facts = facts_at("publish", file, deployment.facts, moment(now))
    return deployment.added_to(facts, now)


def _all(ingredients: Iterable[IngredientFinding]) -> Iterator[IngredientFinding]:
    for each in ingredients:
        yield each
        yield from _all(each.ingredients)
