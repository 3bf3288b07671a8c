"""Facts to a Decision: every rule of the stage is asked, never only the first that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.errors import Refused
from safegen.policy.facts import AdmissionFacts, PublishFacts, ReleaseFacts
from safegen.schemas.decision import Decision, RuleFinding

if TYPE_CHECKING:
    from safegen.policy.facts import Facts, ForeseenFacts
    from safegen.policy.load import Policy
    from safegen.schemas.decision import Stage


def decide(policy: Policy, facts: Facts) -> Decision:
    """Judge facts by a policy; pure.

    Returns:
        The decision with one finding a rule of the stage that the facts belong to. A policy
        without a rule for that stage allows nothing there.
    """
    stage = _stage_of(facts)
    findings = tuple(rule.judge(facts) for rule in policy.rules if rule.stage == stage)
    if findings and isinstance(facts, ReleaseFacts):
        findings += tuple(_no_score(name, reason) for name, reason in facts.failures.items())
    if not findings:
        text = f"The policy has no rule for the {stage} stage, so it allows nothing there."
        findings = (RuleFinding(rule="no-rule", outcome="failed", text=text),)
    return Decision(
        policy=policy.name,
        policy_digest=policy.digest,
        stage=stage,
        allowed=all(finding.outcome == "passed" for finding in findings),
        findings=findings,
    )


def decide_early(policy: Policy, facts: ForeseenFacts) -> Decision | None:
    """Judge what a release can be refused for before it is made; pure.

    Returns:
        A refusal with every finding that is known already; None when no rule is broken so far. It
        allows nothing: what is allowed, `decide` says of the output itself.
    """
    known = [rule.foresee(facts) for rule in policy.rules if rule.stage == "release"]
    findings = tuple(finding for finding in known if finding is not None)
    if all(finding.outcome == "passed" for finding in findings):
        return None
    return Decision(
        policy=policy.name,
        policy_digest=policy.digest,
        stage="release",
        allowed=False,
        findings=findings,
    )


def refuse_early(policy: Policy, facts: ForeseenFacts) -> None:
    """Raise when no output of this kind could leave, whatever it turns out to be.

    Raises:
        Refused: with the decision.
    """
    decision = decide_early(policy, facts)
    if decision is not None:
        raise _refusal(decision)


def admit(policy: Policy, facts: Facts) -> Decision:
    """Judge facts, and raise when the answer is no.

    Raises:
        Refused: with the whole decision.
    """
    decision = decide(policy, facts)
    if not decision.allowed:
        raise _refusal(decision)
    return decision


def _stage_of(facts: Facts) -> Stage:
    if isinstance(facts, PublishFacts):
        return "publish"
    return "request" if isinstance(facts, AdmissionFacts) else "release"


def _no_score(screen: str, reason: str) -> RuleFinding:
    return RuleFinding(
        rule=f"screen-{screen}",
        outcome="error",
        text=f"The screen {screen} says nothing: {reason}.",
    )


def _refusal(decision: Decision) -> Refused:
    broken = [finding for finding in decision.findings if finding.outcome != "passed"]
    reasons = "; ".join(f"{finding.rule}: {finding.text}" for finding in broken)
    return Refused(f"policy {decision.policy} refuses this {decision.stage}: {reasons}", decision)
