"""The tests that stand inside a policy: facts, and what it must say of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.policy.facts import Facts
from safegen.policy.facts_file import in_both_spellings
from safegen.policy.guard import decide
from safegen.policy.vocabulary import types_at, value_of

if TYPE_CHECKING:
    from safegen.policy.facts import Fact
    from safegen.policy.policy import Policy
    from safegen.schemas.decision import Decision, RuleFinding
    from safegen.schemas.policy import TestDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """What became of one test.

    Attributes:
        test: as it stands in the policy.
        decision: the whole of it.
        problems: where the decision is not what was expected, in words; empty when it is.
    """

    __test__ = False  # no test of pytest's

    test: TestDocument
    decision: Decision
    problems: tuple[str, ...]


def run_tests(policy: Policy) -> tuple[TestResult, ...]:
    """Run all tests of a policy; pure."""
    return tuple(_run(policy, test) for test in policy.tests)


def facts_of(policy: Policy, test: TestDocument) -> Facts:
    """The facts of a test, those that are given to every test included."""
    types = types_at(test.stage, policy.more)
    told = {name: text for name, text in policy.given.items() if name in types} | dict(test.facts)
    known: dict[str, Fact] = {
        name: value_of(text, types[name]) for name, text in told.items() if text != "null"
    }
    rules = {rule.id: rule for rule in policy.rules}
    attested = {rules[each].key: "the test" for each in test.attested if each in rules}
    return Facts(stage=test.stage, known=in_both_spellings(known), attested=attested)


def _run(policy: Policy, test: TestDocument) -> TestResult:
    # When the policy may be used is not what a test of its rules is about.
    decision = decide(dataclasses.replace(policy, periods=()), facts_of(policy, test))
    said = {finding.rule: finding for finding in decision.findings}
    problems = [
        f"{rule} is {_told(said.get(rule))}, and {outcome} was expected"
        for rule, outcome in test.expect.items()
        if rule not in said or said[rule].outcome != outcome
    ]
    if test.allowed is not None and decision.allowed != test.allowed:
        problems.append(f"it is {'allowed' if decision.allowed else 'refused'} as a whole")
    return TestResult(test=test, decision=decision, problems=tuple(problems))


def _told(finding: RuleFinding | None) -> str:
    return "not asked" if finding is None else f"{finding.outcome} ({finding.text})"
