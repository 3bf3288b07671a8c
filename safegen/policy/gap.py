"""Which rules are met, missed, attested, not to be told, or not applicable; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.policy.expression import activation
from safegen.policy.facts import Facts
from safegen.schemas.gap import GapRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from safegen.policy.policy import Policy
    from safegen.policy.rules import Rule
    from safegen.schemas.decision import Outcome, RuleFinding, Stage
    from safegen.schemas.gap import GapState

STATES: Mapping[Outcome, GapState] = {
    "passed": "met",
    "failed": "missed",
    "error": "unknown",
    "not_applicable": "not_applicable",
}


def rows_of(policy: Policy, told: Iterable[Facts]) -> tuple[GapRow, ...]:
    """Ask every rule of a policy.

    Args:
        policy: one, or several together.
        told: what is known, at each stage at which something is.
    """
    by_stage: dict[Stage, Facts] = {facts.stage: facts for facts in told}
    some = next(iter(by_stage.values()))
    rows = []
    for rule in policy.rules:
        nothing = Facts(stage=rule.stage, known={}, attested=some.attested)
        facts = by_stage.get(rule.stage, nothing)
        rows.append(_row(rule, policy, facts))
    return tuple(rows)


def _row(rule: Rule, policy: Policy, facts: Facts) -> GapRow:
    finding = rule.judge(facts, activation(facts.known, facts.stage, policy.more))
    state = _state(rule, finding, facts)
    return GapRow(
        rule=rule.id,
        stage=rule.stage,
        source=rule.source,
        state=state,
        warns=rule.warns,
        text=finding.text.removesuffix(f" {rule.remedy}"),  # that is what is to be done
        uncertain=rule.uncertain,
        todo=_todo(rule, state, facts),
    )


def _state(rule: Rule, finding: RuleFinding, facts: Facts) -> GapState:
    if finding.outcome == "warned":  # of a rule that warns, whether it is broken or not to be told
        return "missed" if rule.facts <= facts.known.keys() else "unknown"
    state = STATES[finding.outcome]
    return "attested" if state == "met" and rule.attest is not None else state


def _todo(rule: Rule, state: GapState, facts: Facts) -> str | None:
    if state in {"met", "attested", "not_applicable"}:
        return None
    missing = sorted(rule.facts - facts.known.keys())
    if missing and state == "unknown":
        own = [name for name in missing if name.startswith("deployment.")]
        where = "in the deployment's file (--deployment)" if own else "by asking about an output"
        return f"Say {', '.join(own or missing)}, {where}."
    if rule.attest is not None and rule.key not in facts.attested:
        return (
            f"Have it vouched for by {rule.attest.who}, as `{rule.key}` under `attested` in the "
            f"deployment's file: {rule.attest.what}"
        )
    return rule.remedy or f"Make it true: {rule.require}"
