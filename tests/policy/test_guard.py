"""Facts to decisions: every rule is asked, and whatever is not plainly true refuses."""

import dataclasses

import pytest

from safegen.errors import PolicyError, Refused
from safegen.policy.guard import admit, decide, decide_early, refuse_early
from safegen.policy.load import load_policy


@pytest.fixture(scope="module")
def baseline():
    return load_policy("baseline")


@pytest.mark.parametrize("stage", ["request", "release"])
def test_what_meets_the_baseline_is_allowed_with_every_finding(baseline, stage, facts):
    decision = admit(baseline, facts(stage))
    assert decision.allowed
    assert [f.rule for f in decision.findings] == [r.id for r in baseline.rules if r.stage == stage]


@pytest.mark.parametrize(
    ("stage", "changes", "broken"),
    [
        ("request", {"purpose": ""}, ["purpose-stated"]),
        ("request", {"recomputed": False}, ["model-certified"]),
        ("request", {"epsilon": 10.5}, ["model-private"]),
        ("request", {"epsilon": 50.0, "purpose": ""}, ["purpose-stated", "model-private"]),
        ("release", {"signed": False}, ["output-signed"]),
        ("release", {"source_type": ""}, ["output-marked"]),
        ("release", {"made": False}, ["output-explained"]),
        ("release", {"gap": 0.2}, ["output-explained"]),
        ("release", {"contrast": 0.0}, ["output-not-flat"]),
    ],
)
def test_a_refusal_carries_every_finding_not_only_the_first(
    baseline, stage, changes, broken, facts
):
    with pytest.raises(Refused) as refusal:
        admit(baseline, facts(stage, **changes))
    decision = refusal.value.decision
    assert not decision.allowed
    assert [f.rule for f in decision.findings if f.outcome != "passed"] == broken
    assert len(decision.findings) == len([r for r in baseline.rules if r.stage == stage])
    assert all(rule in str(refusal.value) for rule in broken)


def test_a_rule_that_cannot_be_evaluated_refuses(facts, one_rule):
    policy = load_policy(one_rule('"1 / (request.count - 2) == 1 || true == false"'))
    decision = decide(policy, facts())
    assert not decision.allowed
    assert decision.findings[0].outcome == "error"
    assert "divide by zero" in decision.findings[0].text


def test_a_stage_without_rules_allows_nothing(baseline, facts):
    rules = tuple(rule for rule in baseline.rules if rule.stage == "request")
    half = dataclasses.replace(baseline, rules=rules)
    assert decide(half, facts("request")).allowed
    assert not decide(half, facts("release")).allowed


# What can be said before anything is made

FORESEEN = [  # rule, and whether a three and a four are refused early
    ("request.label != 3", True, False),
    ("request.label_name != 'three'", True, True),
    ("request.label != 3 && output.contrast > 0.1", True, False),
    ("output.contrast > 0.1 && request.label != 3", True, False),
    ("request.label != 3 || output.contrast > 0.1", False, False),
    ("request.label == 3 ? output.contrast > 0.1 : false", False, True),
    ("output.contrast > 0.1", False, False),
    ("!output.signed", True, True),
    ("output.digital_source_type.endsWith('/camera')", True, True),
    ("output.explained && output.completeness_gap < 0.1", False, False),
    ("1 / (request.label - 3) > 0", False, False),  # no answer yet, and none at the release
    ("1 / (request.label - 3) > 0 || output.contrast > 0.1", False, False),
    ("model.epsilon < 1.0", True, True),
]


@pytest.mark.parametrize(("rule", "three", "four"), FORESEEN)
def test_what_no_output_could_change_is_refused_early(rule, three, four, facts, one_rule):
    policy = load_policy(one_rule(f'"{rule}"', "release"))
    for label, refused in ((3, three), (4, four)):
        known = facts("foreseen", label=label)
        assert (decide_early(policy, known) is not None) == refused
        if refused:
            with pytest.raises(Refused, match="refuses this release: only: It must be so") as told:
                refuse_early(policy, known)
            decision = told.value.decision
            assert (decision.stage, decision.allowed) == ("release", False)
            assert decision.policy_digest == policy.digest


@pytest.mark.parametrize("rule", [rule for rule, *_ in FORESEEN])
def test_an_early_refusal_is_what_the_release_would_say(rule, facts, one_rule):
    """Never a refusal of what could have left: whatever the output turns out to be."""
    policy = load_policy(one_rule(f'"{rule}"', "release"))
    for label in (2, 3, 4):
        early = decide_early(policy, facts("foreseen", label=label))
        for contrast in (0.0, 0.3):
            for gap in (0.0, 1.0):
                late = decide(policy, facts("release", label=label, contrast=contrast, gap=gap))
                assert early is None or not late.allowed


def test_no_early_decision_allows_anything(baseline, facts):
    """It says no, or nothing."""
    assert decide_early(baseline, facts("foreseen")) is None
    refusal = decide_early(baseline, facts("foreseen", signed=False))
    assert [finding.outcome for finding in refusal.findings] == ["failed", "passed"]


# Screens

SCREENED = [
    ("output.screens.contrast > 0.1", {"contrast"}),
    ("output.contrast > 0.1", {"contrast"}),  # as 0.1 spelt it
    ("output.signed", set()),
]


@pytest.mark.parametrize(("rule", "screens"), SCREENED)
def test_a_policy_asks_for_the_screens_that_its_rules_speak_of(rule, screens, facts, one_rule):
    policy = load_policy(one_rule(f'"{rule}"', "release"))
    assert policy.screens == screens
    assert decide(policy, facts("release", contrast=0.2)).allowed
    assert decide(policy, facts("release", contrast=0.0)).allowed == (not screens)


def test_an_unknown_screen_fails_when_the_policy_is_loaded(one_rule):
    path = one_rule('"output.screens.contrst > 0.1"', "release")
    with pytest.raises(PolicyError, match=r"rules\[0\]\.require.*output\.screens\.contrast"):
        load_policy(path)


@pytest.mark.parametrize("score", [{}, {"contrast": float("nan")}])
@pytest.mark.parametrize("rule", ["output.screens.contrast > 0.1", "!(output.contrast > 0.9)"])
def test_a_score_that_is_missing_or_no_number_refuses(rule, score, facts, one_rule):
    policy = load_policy(one_rule(f'"{rule}"', "release"))
    decision = decide(policy, facts("release", screens=score))
    assert not decision.allowed
    assert decision.findings[0].outcome == "error"


def test_a_screen_that_failed_refuses_by_its_name_whatever_the_rules_say(facts, one_rule):
    policy = load_policy(one_rule("output.signed", "release"))
    failed = facts("release", failures={"contrast": "it raised MemoryError: none left"})
    with pytest.raises(Refused, match="screen contrast says nothing: it raised MemoryError"):
        admit(policy, failed)
