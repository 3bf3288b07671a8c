"""What a decision costs: `pytest tests/benchmarks/test_policy.py -m benchmark -s`."""

import dataclasses
import time

import pytest

from safegen.policy.facts import Facts
from safegen.policy.guard import decide
from safegen.policy.load import load_policies, load_policy, shipped_policies
from safegen.policy.own_tests import facts_of

pytestmark = pytest.mark.benchmark


def microseconds(work, rounds=20, times=20):
    """The quickest of several rounds: other programs only make it slower."""
    work()
    return min(timed(work, times) for _ in range(rounds))


def timed(work, times):
    begin = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begin) / times * 1e6


@pytest.mark.parametrize("stage", ["request", "release"])
def test_a_decision_of_all_packs_costs_less_than_300_microseconds(stage):
    every = load_policies(shipped_policies())
    known = {}
    for name in shipped_policies():
        policy = load_policy(name)
        for test in policy.tests:
            if test.stage == stage and test.allowed:
                known |= facts_of(policy, test).known
    known |= {"deployment.jurisdictions": ("world",), "request.purpose": "research: a study"}
    sworn = {rule.key: "somebody" for rule in every.rules}
    facts = Facts(stage=stage, known=known, attested=sworn)
    rules = sum(rule.stage == stage for rule in every.rules)
    baseline = load_policies("baseline")
    refused = microseconds(lambda: decide(every, facts))
    fitting = [each for each in every.rules if each.stage == stage]
    passing = [
        rule.id
        for rule, found in zip(fitting, decide(every, facts).findings, strict=False)
        if found.outcome == "passed"
    ]
    whole = dataclasses.replace(every, rules=tuple(r for r in fitting if r.id in passing))
    allowed = microseconds(lambda: decide(whole, facts))
    one = microseconds(lambda: decide(baseline, facts))
    print(f"\n{stage}: {rules} rules, not all met {refused:.0f} us; "
          f"{len(passing)} rules, all met {allowed:.0f} us; baseline {one:.0f} us")  # fmt: skip
    assert decide(whole, facts).allowed
    assert allowed < 300
