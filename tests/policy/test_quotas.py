"""A quota is a rule about a count: of what types, in what words, and how it may be tightened."""

import pytest

from safegen.errors import PolicyError
from safegen.policy.facts import CertificateFacts, QuotaFacts, RequestFacts, facts_at
from safegen.policy.guard import decide
from safegen.policy.load import load_policies, load_policy
from safegen.policy.own_tests import run_tests

POLICY = """
name: NAME
description: A quota.
rules:
  - {id: asked, stage: request, require: request.count > 0, because: Something is asked for.}
quotas:
  - {id: daily, outputs: 50, every: day}
"""


@pytest.fixture
def write(tmp_path):
    def write(text=POLICY, name="house"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text.replace("NAME", name))
        return path

    return write


def said(policy, *, used, count=1, actor="ada"):
    request = RequestFacts(purpose="x", label=0, label_name="0", count=count, actor=actor)
    bound = CertificateFacts(recomputed=True, epsilon=1.0, delta=1e-5, unit="record")
    facts = facts_at("request", request, bound, QuotaFacts(used=used))
    return decide(policy, facts)


@pytest.mark.parametrize(
    ("used", "count", "allowed"), [(0, 50, True), (49, 1, True), (49, 2, False), (50, 1, False)]
)
def test_a_quota_allows_its_outputs_and_no_more(write, used, count, allowed):
    decision = said(load_policy(write()), used={"daily": used}, count=count)
    assert decision.allowed == allowed
    (quota,) = [each for each in decision.findings if each.rule == "daily"]
    assert quota.text.startswith("At most 50 outputs a day are made for each actor.")


def test_what_was_not_counted_refuses_and_so_does_nobody(write):
    policy = load_policy(write())
    uncounted = said(policy, used=None)
    assert not uncounted.allowed
    assert "quota.used.daily is not known; the database" in str(uncounted.findings)
    assert not said(policy, used={"daily": 0}, actor="").allowed
    assert not said(policy, used={"daily": 2**63 - 1}).allowed


def test_tests_inside_a_policy_speak_of_counts(write):
    text = POLICY + (
        "tests:\n  - {it: is full, stage: request, expect: {daily: failed, asked: passed},\n"
        "     facts: {request.actor: ada, request.count: 1, quota.used.daily: 50}}\n"
    )
    (result,) = run_tests(load_policy(write(text)))
    assert not result.problems


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("outputs: 50", "outputs: 0", r"line 7: quotas\[0\].outputs: expected a number above 0"),
        ("outputs: 50", "outputs: many", r"quotas\[0\].outputs: expected a whole number"),
        ("every: day", "every: week", r"'week' is no choice; choose hour, day, month, ever"),
        ("every: day", "evry: day", r"quotas\[0\].evry: no such key; did you mean every"),
        ("id: daily", "id: per-day", r"quotas\[0\].id: expected a name"),
        ("id: daily", "id: asked", r"quotas\[0\].id: 'asked' is taken"),
        ("every: day}", "every: day, per: [model, street]}", r"quotas\[0\].per\[1\]: 'street'"),
        ("request.count > 0", "quota.used.dayly > 0", "did you mean quota.used.daily"),
    ],
)
def test_a_quota_that_is_none_does_not_load(write, old, new, words):
    with pytest.raises(PolicyError, match=words):
        load_policy(write(POLICY.replace(old, new)))


def test_of_several_policies_each_counts_by_its_own_limit(write):
    strict = POLICY.replace("outputs: 50", "outputs: 5").replace("daily", "own")
    both = load_policies([write(), write(strict, "strict")])
    assert [quota.id for quota in both.quotas] == ["daily", "own"]
    assert said(both, used={"daily": 0, "own": 4}).allowed
    refused = said(both, used={"daily": 0, "own": 5})
    assert [each.rule for each in refused.findings if each.outcome != "passed"] == ["strict/own"]
    same = load_policies([write(), write(POLICY.replace("outputs: 50", "outputs: 5"), "five")])
    assert [quota.outputs for quota in same.quotas] == [5]
    assert not said(same, used={"daily": 5}).allowed
    other = write(POLICY.replace("every: day", "every: hour"), "hourly")
    with pytest.raises(PolicyError, match="two quotas are named daily"):
        load_policies([write(), other])


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("{id: daily, outputs: 60, every: day}", r"quotas\[0\].outputs.*base allows 50"),
        ("{id: daily, outputs: 9, every: hour}", r"quotas\[0\].*base counts daily otherwise"),
        ("{id: daily, outputs: 9, every: day, per: []}", r"base counts daily otherwise"),
    ],
)
def test_what_extends_a_quota_may_not_loosen_it(write, own, words):
    write(name="base")
    text = POLICY.replace("{id: daily, outputs: 50, every: day}", own)
    with pytest.raises(PolicyError, match=words):
        load_policy(write(f"extends: base.yaml\n{text}"))


def test_what_extends_a_quota_may_tighten_it_and_add_others(write):
    write(name="base")
    text = POLICY.replace("outputs: 50", "outputs: 9") + "  - {id: all, outputs: 99, every: ever}\n"
    policy = load_policy(write(f"extends: base.yaml\n{text}"))
    assert [(quota.id, quota.outputs) for quota in policy.quotas] == [("daily", 9), ("all", 99)]
    assert said(policy, used={"daily": 8, "all": 0}).allowed
    assert not said(policy, used={"daily": 9, "all": 0}).allowed
    assert not said(policy, used={"daily": 0, "all": 99}).allowed
