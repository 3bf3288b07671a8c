"""Facts to a Decision: every rule of the stage is asked, never only the first that fails; pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from safegen.errors import Refused
from safegen.policy.expression import activation, conjunction
from safegen.policy.facts import Facts
from safegen.policy.rules import DATE, PLACES
from safegen.schemas.decision import LETS_PASS, Decision, RuleFinding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from safegen.policy.expression import Expression
    from safegen.policy.facts import Fact
    from safegen.policy.policy import Policy
    from safegen.schemas.decision import Identity, Stage

_STAGE_NOUNS = {"train": "training", "publish": "file"}  # where the stage is no noun
CHUNK = 32  # conditions asked as one; an expression nests no deeper than the evaluator's limit


def decide(policy: Policy, facts: Facts, screens: Sequence[Identity] = ()) -> Decision:
    """Judge facts by a policy.

    Args:
        policy: one, or several together.
        facts: of one stage.
        screens: what measured, for the record.

    Returns:
        The decision with one finding a rule of that stage. Where no rule of the stage applies,
        nothing is allowed: nobody said that it may.
    """
    findings = (*_out_of_force(policy, facts), *_of_rules(policy, facts))
    findings += tuple(_no_score(name, reason) for name, reason in facts.failures.items())
    if not any(finding.outcome == "passed" for finding in findings):
        asked = any(rule.stage == facts.stage for rule in policy.rules)
        text = f"The policy has no rule for the {facts.stage} stage, so it allows nothing there."
        if asked:
            text = f"No rule of the {facts.stage} stage passed, so it allows nothing there."
        findings = (*findings, RuleFinding(rule="no-rule", outcome="failed", text=text))
    return _decision(policy, facts, findings, screens)


def decide_early(policy: Policy, facts: Facts) -> Decision | None:
    """Judge what a release can be refused for before it is made.

    Returns:
        A refusal with every finding that is known already; None when no rule is broken so far. It
        allows nothing: what is allowed, `decide` says of the output itself.
    """
    known = activation(facts.known, facts.stage, policy.more)
    told = [rule.foresee(facts, known) for rule in policy.rules if rule.stage == facts.stage]
    findings = (*_out_of_force(policy, facts), *(each for each in told if each is not None))
    if all(finding.outcome in LETS_PASS for finding in findings):
        return None
    return _decision(policy, facts, findings, ())


def refuse_early(policy: Policy, facts: Facts) -> None:
    """Raise when no output of this kind could leave, whatever it turns out to be.

    Raises:
        Refused: with the decision.
    """
    decision = decide_early(policy, facts)
    if decision is not None:
        raise refusal(decision)


def admit(policy: Policy, facts: Facts, screens: Sequence[Identity] = ()) -> Decision:
    """Judge facts, and raise when the answer is no.

    Raises:
        Refused: with the whole decision.
    """
    decision = decide(policy, facts, screens)
    if not decision.allowed:
        raise refusal(decision)
    return decision


def asked_for(stage: Stage) -> str:
    """What is judged at a stage, for a sentence: `this training`, `this request`.

    >>> asked_for("train")
    'this training'
    """
    return f"this {_STAGE_NOUNS.get(stage, stage)}"


def refusal(decision: Decision) -> Refused:
    """A decision that allows nothing, as an error with its reasons."""
    broken = [finding for finding in decision.findings if finding.outcome not in LETS_PASS]
    reasons = "; ".join(f"{finding.rule}: {finding.text}" for finding in broken)
    judged = asked_for(decision.stage)
    return Refused(f"policy {decision.policy} refuses {judged}: {reasons}", decision)


def _decision(
    policy: Policy, facts: Facts, findings: tuple[RuleFinding, ...], screens: Sequence[Identity]
) -> Decision:
    stopped = any(finding.outcome not in LETS_PASS for finding in findings)
    return Decision(
        policy=policy.name,
        policy_digest=policy.digest,
        stage=facts.stage,
        allowed=bool(findings) and not stopped,
        findings=findings,
        policies=policy.parts or None,
        screens=tuple(screens) or None,
        deployment=facts.deployment,
    )


def _out_of_force(policy: Policy, facts: Facts) -> Iterator[RuleFinding]:
    """A policy that is not in force allows nothing; one without dates always is."""
    for name, period in policy.periods:
        if DATE not in facts.known:
            text = f"Whether policy {name} is in force is not known, for the date is not."
            yield RuleFinding(rule=f"{name}-in-force", outcome="error", text=text)
        elif not period.holds(str(facts.known[DATE])):
            text = f"Policy {name} is in force {period}; today is {facts.known[DATE]}."
            yield RuleFinding(rule=f"{name}-in-force", outcome="failed", text=text)


def _of_rules(policy: Policy, facts: Facts) -> tuple[RuleFinding, ...]:
    """What each rule says: all at once where all of them pass, one by one where any does not."""
    where = (facts.known.get(DATE), facts.known.get(PLACES))
    short = _short_cut(policy, facts.stage, *where, tuple(facts.attested.items()))
    if short is not None and short.needed <= facts.known.keys():
        needed = {name: facts.known[name] for name in short.needed}
        known = activation(needed, facts.stage, policy.more)
        if all(each.evaluate(known) is True for each in short.conditions):
            return short.findings
    known = activation(facts.known, facts.stage, policy.more)
    return tuple(rule.judge(facts, known) for rule in policy.rules if rule.stage == facts.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShortCut:
    """What is the same in every decision of one day and place in which all conditions hold.

    Attributes:
        needed: facts that must be known.
        conditions: which must all be true, in few expressions.
        findings: of each rule.
    """

    needed: frozenset[str]
    conditions: tuple[Expression, ...]
    findings: tuple[RuleFinding, ...]


@lru_cache(maxsize=256)
def _short_cut(
    policy: Policy,
    stage: Stage,
    day: Fact | None,
    places: Fact | None,
    attested: tuple[tuple[str, str], ...],
) -> _ShortCut | None:
    """None where whether a rule applies cannot be told."""
    where = {name: value for name, value in ((DATE, day), (PLACES, places)) if value is not None}
    dated = Facts(stage=stage, known=where, attested=dict(attested))
    conditions, findings = [], []
    for rule in (each for each in policy.rules if each.stage == stage):
        away = rule.away(dated)
        if away is not None and away.outcome != "not_applicable":
            return None
        if away is None and rule.condition is not None:
            conditions.append(rule.condition)
        findings.append(away or rule.met(dated))
    return _ShortCut(
        needed=frozenset().union(*(each.facts for each in conditions)),
        conditions=tuple(
            conjunction(conditions[start : start + CHUNK], stage, policy.more)
            for start in range(0, len(conditions), CHUNK)
        ),
        findings=tuple(findings),
    )


def _no_score(screen: str, reason: str) -> RuleFinding:
    text = f"The screen {screen} says nothing: {reason}."
    return RuleFinding(rule=f"screen-{screen}", outcome="error", text=text)
