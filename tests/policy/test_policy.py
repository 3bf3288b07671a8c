import dataclasses
import textwrap

import pytest

from safegen.errors import PolicyError, Refused
from safegen.policy.facts import (
    AdmissionFacts,
    ForeseenFacts,
    ForeseenOutputFacts,
    ModelFacts,
    OutputFacts,
    ReleaseFacts,
    RequestFacts,
    flatten,
)
from safegen.policy.guard import admit, decide, decide_early, refuse_early
from safegen.policy.load import load_policy, shipped_policies
from safegen.schemas.mining import KEPT_TO_ITSELF


def facts(stage="request", **changes):
    request = {"purpose": "a test", "label": 3, "label_name": "three", "count": 2}
    model = {
        "certified": True,
        "epsilon": 8.0,
        "delta": 1e-5,
        "unit": "record",
        "data": "digits",
        "digest": "sha256:00",
    }
    output = {
        "signed": True,
        "digital_source_type": "http://x/trainedAlgorithmicMedia",
        "explained": True,
        "completeness_gap": 0.0,
        "screens": {"contrast": 0.3},
    }
    if "contrast" in changes:
        changes["screens"] = {"contrast": changes.pop("contrast")}
    failures = changes.pop("failures", {})
    for name, value in changes.items():
        group = next(group for group in (request, model, output) if name in group)
        group[name] = value
    made = {"request": RequestFacts(**request), "model": ModelFacts(**model)}
    if stage == "request":
        return AdmissionFacts(**made)
    if stage == "foreseen":
        known = {name: output[name] for name in ("signed", "digital_source_type", "explained")}
        return ForeseenFacts(**made, output=ForeseenOutputFacts(**known))
    return ReleaseFacts(**made, output=OutputFacts(**output), failures=failures)


@pytest.fixture(scope="module")
def baseline():
    return load_policy("baseline")


@pytest.mark.parametrize("stage", ["request", "release"])
def test_what_meets_the_baseline_is_allowed_with_every_finding(baseline, stage):
    decision = admit(baseline, facts(stage))
    assert decision.allowed
    assert [f.rule for f in decision.findings] == [r.id for r in baseline.rules if r.stage == stage]


@pytest.mark.parametrize(
    ("stage", "changes", "broken"),
    [
        ("request", {"purpose": ""}, ["purpose-stated"]),
        ("request", {"certified": False}, ["model-certified"]),
        ("request", {"epsilon": 10.5}, ["model-private"]),
        ("request", {"epsilon": 50.0, "purpose": ""}, ["purpose-stated", "model-private"]),
        ("release", {"signed": False}, ["output-signed"]),
        ("release", {"digital_source_type": ""}, ["output-marked"]),
        ("release", {"explained": False}, ["output-explained"]),
        ("release", {"completeness_gap": 0.2}, ["output-explained"]),
        ("release", {"contrast": 0.0}, ["output-not-flat"]),
    ],
)
def test_a_refusal_carries_every_finding_not_only_the_first(baseline, stage, changes, broken):
    with pytest.raises(Refused) as refusal:
        admit(baseline, facts(stage, **changes))
    decision = refusal.value.decision
    assert not decision.allowed
    assert [f.rule for f in decision.findings if f.outcome != "passed"] == broken
    assert len(decision.findings) == len([r for r in baseline.rules if r.stage == stage])
    assert all(rule in str(refusal.value) for rule in broken)


def write(tmp_path, text):
    path = tmp_path / "policy.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def one_rule(tmp_path, require, stage="request"):
    return write(
        tmp_path,
        f"""
        name: mine
        description: One rule.
        rules:
          - id: only
            stage: {stage}
            require: {require}
            because: It must be so.
          - id: other
            stage: {"release" if stage == "request" else "request"}
            require: "true"
            because: Each stage needs a rule.
        """,
    )


@pytest.mark.parametrize(
    ("require", "reason"),
    [
        ("request.porpose != ''", r"rules\[0\]\.require.*undeclared reference.*request\.purpose"),
        ("model.epsilon <= 10", r"rules\[0\]\.require.*write whole numbers with a point.*10\.0"),
        ("request.count", r"is a INT, not"),
        ("request.purpose !=", r"rules\[0\]\.require"),
        ("output.signed", r"undeclared reference"),
        ("output.screens.contrast > 0.1", r"undeclared reference"),
    ],
)
def test_a_typo_in_a_rule_fails_when_the_policy_is_loaded(tmp_path, require, reason):
    with pytest.raises(PolicyError, match=reason):
        load_policy(one_rule(tmp_path, f'"{require}"'))


def test_a_rule_that_cannot_be_evaluated_refuses(tmp_path):
    policy = load_policy(one_rule(tmp_path, '"1 / (request.count - 2) == 1 || true == false"'))
    decision = decide(policy, facts())
    assert not decision.allowed
    assert decision.findings[0].outcome == "error"
    assert "divide by zero" in decision.findings[0].text


def test_a_stage_without_rules_allows_nothing(baseline):
    rules = tuple(rule for rule in baseline.rules if rule.stage == "request")
    half = dataclasses.replace(baseline, rules=rules)
    assert decide(half, facts("request")).allowed
    assert not decide(half, facts("release")).allowed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected keys"),
        ("rules: [", "is not YAML"),
        ("name: a\nrules: []\n", "description is missing"),
        ("name: a\ndescription: b\nrules: []\n", "an empty policy refuses"),
        ("name: a\ndescription: b\nrules: 7\n", "expected a list"),
        ("name: a\ndescription: b\nruels: []\nrules: [1]\n", r"\.ruels: no such key"),
        ("name: a\ndescription: b\nrules: [1]\n", r"rules\[0\]: expected keys"),
        (
            (
                "name: a\ndescription: b\n"
                "rules: [{id: x, stage: request, require: 'true', because: y}]"
            ),
            "none for the release stage",
        ),
        (
            "name: a\ndescription: b\nrules: [{id: x, stage: birth, require: 'true', because: y}]",
            r"rules\[0\]\.stage: 'birth' is no stage",
        ),
        (
            "name: a\ndescription: b\nrules: [{id: x, stage: request, require: [], because: y}]",
            r"rules\[0\]\.require: expected text",
        ),
        (
            (
                "name: a\ndescription: b\nrules:\n"
                "- {id: x, stage: request, require: 'false', because: y, require: 'true'}\n"
            ),
            "the key 'require' is there twice",
        ),
        ("name: a\nname: b\n", "the key 'name' is there twice"),
        ("name: &a x\ndescription: *a\n", "references are not allowed"),
        ("<<: {name: x}\n", "merges others"),
        ("[" * 20_000, "nested too deeply"),
        ("time_stamps: never\n", "time_stamps: 'never' is no choice"),
        ("training_mining: [ai_training]\n", "training_mining: expected keys"),
        ("training_mining: {training: allowed}\n", r"training_mining\.training: no such key"),
        ("training_mining: {ai_training: maybe}\n", r"ai_training: 'maybe' is no use"),
        (
            (
                "name: a\ndescription: b\n"
                "rules: [{id: x, stage: request, require: 'true // && false', because: y}]"
            ),
            "a comment",
        ),
        (
            (
                "name: a\ndescription: b\nrules:\n"
                "- {id: x, stage: request, require: 'true', because: y}\n"
                "- {id: x, stage: request, require: 'true', because: y}\n"
            ),
            r"rules\[1\]\.id: 'x' is taken",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_named_by_its_key_path(tmp_path, text, reason):
    with pytest.raises(PolicyError, match=reason):
        load_policy(write(tmp_path, text))


def test_what_others_may_do_is_kept_to_itself_unless_the_policy_says_more(tmp_path):
    path = one_rule(tmp_path, "request.count > 0")
    assert dict(load_policy(path).training_mining) == dict(KEPT_TO_ITSELF)
    assert not load_policy(path).stamps_required
    path.write_text(
        f"time_stamps: required\ntraining_mining: {{data_mining: constrained}}\n{path.read_text()}"
    )
    policy = load_policy(path)
    assert policy.training_mining == {**KEPT_TO_ITSELF, "data_mining": "constrained"}
    assert policy.stamps_required


def test_an_unknown_policy_lists_those_that_are_shipped():
    with pytest.raises(PolicyError, match="baseline"):
        load_policy("basline")
    assert "baseline" in shipped_policies()


def test_a_yaml_file_runs_no_code(tmp_path):
    evil = "!!python/object/apply:os.system ['touch pwned']"
    with pytest.raises(PolicyError, match="expected keys"):
        load_policy(write(tmp_path, evil))
    assert not (tmp_path / "pwned").exists()


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
def test_what_no_output_could_change_is_refused_early(tmp_path, rule, three, four):
    policy = load_policy(one_rule(tmp_path, f'"{rule}"', "release"))
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
def test_an_early_refusal_is_what_the_release_would_say(tmp_path, rule):
    """Never a refusal of what could have left: whatever the output turns out to be."""
    policy = load_policy(one_rule(tmp_path, f'"{rule}"', "release"))
    for label in (2, 3, 4):
        early = decide_early(policy, facts("foreseen", label=label))
        for contrast in (0.0, 0.3):
            for gap in (0.0, 1.0):
                late = decide(
                    policy, facts("release", label=label, contrast=contrast, completeness_gap=gap)
                )
                assert early is None or not late.allowed


def test_no_early_decision_allows_anything(baseline):
    """It says no, or nothing."""
    assert decide_early(baseline, facts("foreseen")) is None
    refusal = decide_early(baseline, facts("foreseen", signed=False))
    assert [finding.outcome for finding in refusal.findings] == ["failed", "passed"]


@pytest.mark.parametrize("changes", [{}, {"purpose": ""}, {"epsilon": 12.0}, {"certified": False}])
@pytest.mark.parametrize("stage", ["request", "release"])
def test_a_second_evaluator_agrees_on_every_rule(baseline, stage, changes):
    """cel-python, another implementation, as the oracle."""
    import celpy

    made = facts(stage, **changes)
    environment = celpy.Environment()
    nested = {}
    for name, value in flatten(made).items():
        *groups, fact = name.split(".")
        inner = nested
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[fact] = value
    for rule in baseline.rules:
        if rule.stage != stage:
            continue
        program = environment.program(environment.compile(rule.require))
        expected = bool(program.evaluate(celpy.json_to_cel(nested)))
        assert (rule.judge(made).outcome == "passed") == expected, rule.id


# Screens

SCREENED = [
    ("output.screens.contrast > 0.1", {"contrast"}),
    ("output.contrast > 0.1", {"contrast"}),  # as 0.1 spelt it
    ("output.signed", set()),
]


@pytest.mark.parametrize(("rule", "screens"), SCREENED)
def test_a_policy_asks_for_the_screens_that_its_rules_speak_of(tmp_path, rule, screens):
    policy = load_policy(one_rule(tmp_path, f'"{rule}"', "release"))
    assert policy.screens == screens
    assert decide(policy, facts("release", contrast=0.2)).allowed
    assert decide(policy, facts("release", contrast=0.0)).allowed == (not screens)


def test_an_unknown_screen_fails_when_the_policy_is_loaded(tmp_path):
    path = one_rule(tmp_path, '"output.screens.contrst > 0.1"', "release")
    with pytest.raises(PolicyError, match=r"rules\[0\]\.require.*output\.screens\.contrast"):
        load_policy(path)


@pytest.mark.parametrize("score", [{}, {"contrast": float("nan")}])
@pytest.mark.parametrize("rule", ["output.screens.contrast > 0.1", "!(output.contrast > 0.9)"])
def test_a_score_that_is_missing_or_no_number_refuses(tmp_path, rule, score):
    policy = load_policy(one_rule(tmp_path, f'"{rule}"', "release"))
    decision = decide(policy, facts("release", screens=score))
    assert not decision.allowed
    assert decision.findings[0].outcome == "error"


def test_a_screen_that_failed_refuses_by_its_name_whatever_the_rules_say(tmp_path):
    policy = load_policy(one_rule(tmp_path, "output.signed", "release"))
    failed = facts("release", failures={"contrast": "it raised MemoryError: none left"})
    with pytest.raises(Refused, match="screen contrast says nothing: it raised MemoryError"):
        admit(policy, failed)
