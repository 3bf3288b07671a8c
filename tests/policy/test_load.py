"""What is wrong in a policy's file is said with file, line, key path and the nearest right name."""

import pytest

from safegen.errors import PolicyError
from safegen.policy.load import load_policy, shipped_policies
from safegen.schemas.mining import KEPT_TO_ITSELF

ONE = "rules: [{id: x, stage: request, require: 'true', because: y}]\n"


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
def test_a_typo_in_a_rule_fails_when_the_policy_is_loaded(require, reason, one_rule):
    with pytest.raises(PolicyError, match=reason):
        load_policy(one_rule(f'"{require}"'))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected keys"),
        ("rules: [", "is not YAML"),
        (f"name: a\n{ONE}", "description is missing"),
        ("name: a\ndescription: b\nrules: []\n", "an empty policy refuses"),
        ("name: a\ndescription: b\nrules: 7\n", "expected a list"),
        (
            "name: a\ndescription: b\nruels: []\nrules: [1]\n",
            r"line 3: ruels: no such key; did you mean rules",
        ),
        ("name: a\ndescription: b\nrules: [1]\n", r"rules\[0\]: expected keys"),
        (
            "name: a\ndescription: b\nrules: [{id: x, stage: birth, require: 'true', because: y}]",
            r"rules\[0\]\.stage: 'birth' is no choice; choose train, request, release, publish",
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
        ("training_mining: {ai_training: maybe}\n", r"ai_training: 'maybe' is no choice"),
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
def test_what_is_wrong_in_a_file_is_named_by_its_key_path(text, reason, write):
    with pytest.raises(PolicyError, match=reason):
        load_policy(write(text))


def test_what_others_may_do_is_kept_to_itself_unless_the_policy_says_more(one_rule):
    path = one_rule("request.count > 0")
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


def test_a_yaml_file_runs_no_code(tmp_path, write):
    evil = "!!python/object/apply:os.system ['touch pwned']"
    with pytest.raises(PolicyError, match="tags are not allowed"):
        load_policy(write(evil))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: a b\n", "line 1: name: expected a name without spaces"),
        ("rules:\n- {id: x, stage: request, because: y}\n", "require is missing"),
        ("rules:\n- {require: 'true', id: x, stage: request}\n", r"rules\[0\]: because is missing"),
        ("rules:\n- {id: x, sevrity: warn}\n", r"rules\[0\]\.sevrity: .*did you mean severity"),
        (
            "rules:\n- {id: x, severity: maybe}\n",
            r"severity: 'maybe' is no choice; choose deny, warn",
        ),
        (
            "effective: {from: 2027-01-01, until: 2026-01-01}\n",
            "ends on 2026-01-01, before it begins",
        ),
        ("effective: {from: soon}\n", r"effective\.from: expected a day such as .* found 'soon'"),
        ("jurisdiction: [Europe]\n", "expected a name without spaces, or a place such as EU"),
        ("jurisdiction: []\n", "jurisdiction"),
        ("tests: [{it: x, stage: request}]\n", r"tests\[0\]: expect or allowed is missing"),
        ("name: !!str a\n", "tags are not allowed"),
        ("name: &a x\n", "references are not allowed"),
        ("? [a]\n: b\n", "a key is no text"),
    ],
)
def test_what_a_policy_may_say_is_checked_key_by_key(text, reason, write):
    whole = (
        "name: a\ndescription: b\nrules: [{id: x, stage: request, require: 'true', because: y}]\n"
    )
    kept = [line for line in whole.splitlines(keepends=True) if line.split(":")[0] not in text]
    with pytest.raises(PolicyError, match=reason):
        load_policy(write("".join([text, *kept])))


TESTED = """
name: a
description: b
rules:
  - {id: x, stage: request, require: "request.count < 3", because: y}
tests:
  - it: counts
    stage: request
    facts: {%s}
    expect: {%s}
"""


@pytest.mark.parametrize(
    ("facts", "expect", "reason"),
    [
        (
            "request.cuont: 2",
            "x: passed",
            r"line 9: tests\[0\]\.facts\.request\.cuont: no fact .*count",
        ),
        (
            "request.count: two",
            "x: passed",
            r"request\.count: expected a whole number, found 'two'",
        ),
        ("certificate.epsilon: .nan", "x: passed", "expected a number, found '.nan'"),
        ("certificate.epsilon: nan", "x: passed", "expected a number, found 'nan'"),
        ("certificate.recomputed: yes", "x: passed", "expected true or false, found 'yes'"),
        ("deployment.jurisdictions: EU", "x: passed", "expected a list of texts"),
        ("output.format: png", "x: passed", "no fact 'output.format' at this stage"),
        ("request.count: 2", "z: passed", r"tests\[0\]\.expect\.z: no rule 'z' here"),
        ("request.count: 2", "x: allowed", "'allowed' is no choice"),
    ],
)
def test_tests_inside_a_policy_speak_of_facts_and_rules_that_there_are(
    facts, expect, reason, write
):
    with pytest.raises(PolicyError, match=reason):
        load_policy(write(TESTED % (facts, expect)))


def test_a_policy_that_is_too_large_is_not_read(write):
    with pytest.raises(PolicyError, match="has 2,000,010 bytes"):
        load_policy(write("# " + "x" * 2_000_000 + "\nname: a"))


@pytest.mark.parametrize(
    ("require", "reason"),
    [
        ("'x' in ['" + "a" * 2000 + "']", "could run long"),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "could run long"),
        ("[1].map (a, [1].\n  map(b, [1] .filter(c, true))) == []", "could run long"),
    ],
)
def test_an_expression_that_could_run_long_does_not_load(require, reason, one_rule):
    with pytest.raises(PolicyError, match=reason):
        load_policy(one_rule(f'"{require}"'.replace("\n", " ")))


def test_what_0_1_wrote_loads_as_it_stands(write, facts):
    """The baseline of 0.1, word for word in what is judged, with the facts' old names."""
    from safegen.policy.guard import decide

    policy = load_policy(write(BASELINE_OF_0_1))
    for stage, count in (("request", 3), ("release", 4)):
        decision = decide(policy, facts(stage))
        assert decision.allowed
        assert len(decision.findings) == count
    assert not decide(policy, facts("release", contrast=0.0)).allowed
    assert not decide(policy, facts("release", gap=0.06)).allowed
    assert not decide(policy, facts("release", made=False)).allowed
    assert not decide(policy, facts("request", epsilon=10.1)).allowed
    assert not decide(policy, facts("request", recomputed=False)).allowed


BASELINE_OF_0_1 = """
name: baseline
description: Outputs are private, explained, marked as generated and signed, for a stated purpose.
rules:
  - id: purpose-stated
    stage: request
    require: request.purpose != ""
    because: A request states what its outputs are for (--purpose).
  - id: model-certified
    stage: request
    require: model.certified
    because: The model's privacy certificate agrees with the events that it lists.
  - id: model-private
    stage: request
    require: model.epsilon <= 10.0
    because: The model was trained within epsilon 10.
  - id: output-signed
    stage: release
    require: output.signed
    because: An output leaves only when a signer stands ready for it.
  - id: output-marked
    stage: release
    require: output.digital_source_type.endsWith("/trainedAlgorithmicMedia")
    because: An output's manifest says that a trained model made it.
  - id: output-explained
    stage: release
    require: output.explained && output.completeness_gap <= 0.05
    because: An output leaves with an explanation that adds up to within 5%.
  - id: output-not-flat
    stage: release
    require: output.contrast > 0.01
    because: An output is not one flat colour, as a collapsed generator makes.
"""
