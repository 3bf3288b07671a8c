"""When and where a rule holds, what it asks a person, and what it says when it is broken."""

from datetime import UTC, datetime

import pytest

from safegen.errors import PolicyError
from safegen.policy.deployment import UNKNOWN, load_deployment
from safegen.policy.guard import decide, decide_early
from safegen.policy.load import load_policy
from safegen.policy.places import meet


def outcome(policy, known):
    return {finding.rule: finding for finding in decide(policy, known).findings}["only"]


def test_a_rule_that_only_warns_stops_nothing_and_is_told(one_rule, facts):
    policy = load_policy(one_rule("'false'", severity="warn"))
    assert outcome(policy, facts()).outcome == "warned"
    assert not decide(policy, facts()).allowed  # nothing passed, either
    unknown = load_policy(one_rule("deployment.is_deepfake", severity="warn"))
    assert outcome(unknown, facts()).outcome == "warned"


def test_what_warns_beside_what_passes_is_allowed(write, facts):
    policy = load_policy(
        write("""
            name: a
            description: b
            rules:
              - {id: may, stage: request, require: 'true', because: It may.}
              - {id: only, stage: request, require: 'false', severity: warn, because: Careful.}
        """)
    )
    assert decide(policy, facts()).allowed
    assert outcome(policy, facts()).outcome == "warned"


def test_what_is_broken_says_the_law_and_what_to_do(one_rule, facts):
    keys = {"law": "EU AI Act", "article": "article 50(2)", "remedy": "Sign it."}
    found = outcome(load_policy(one_rule("request.count > 9", **keys)), facts())
    assert found.text == "It must be so. (EU AI Act, article 50(2)) Sign it."
    passed = outcome(load_policy(one_rule("request.count < 9", **keys)), facts())
    assert passed.text == "It must be so. (EU AI Act, article 50(2))"


@pytest.mark.parametrize(
    ("period", "outcomes"),
    [
        ("{from: 2026-12-02}", ["not_applicable", "failed", "failed"]),
        ("{until: 2026-12-02}", ["failed", "failed", "not_applicable"]),
        ("{from: 2026-12-02, until: 2026-12-02}", ["not_applicable", "failed", "not_applicable"]),
    ],
)
def test_a_rule_holds_from_its_first_day_to_its_last(one_rule, facts, period, outcomes):
    policy = load_policy(one_rule("'false'", effective=period))
    days = ("2026-12-01", "2026-12-02", "2026-12-03")
    assert [outcome(policy, facts(date=day)).outcome for day in days] == outcomes


@pytest.mark.parametrize(
    ("keys", "known"),
    [({"effective": "{from: 2026-12-02}"}, "time.date"), ({"jurisdiction": "[EU]"}, "deployment")],
)
def test_where_nothing_says_whether_a_rule_applies_it_refuses(one_rule, facts, keys, known):
    from safegen.policy.facts import Facts

    policy = load_policy(one_rule("'true'", **keys))
    told = facts().known
    without = Facts(
        stage="request", known={k: v for k, v in told.items() if not k.startswith(known)}
    )
    found = outcome(policy, without)
    assert found.outcome == "error"
    assert f"{known}" in found.text
    assert not decide(policy, without).allowed


@pytest.mark.parametrize(
    ("period", "allowed"),
    [("{from: 2026-11-29}", False), ("{until: 2026-11-27}", False), ("{until: 2026-11-28}", True)],
)
def test_a_policy_that_is_not_in_force_allows_nothing(one_rule, facts, period, allowed):
    path = one_rule("'true'")
    path.write_text(f"effective: {period}\n{path.read_text()}")
    decision = decide(load_policy(path), facts())
    assert decision.allowed == allowed
    assert allowed == (decision.findings[0].rule != "mine-in-force")
    early = decide_early(load_policy(path), facts("foreseen"))
    assert (early is None) == allowed


PLACES = [
    (["EU"], ["DE"], True),
    (["DE"], ["EU"], True),
    (["EU"], ["CH"], False),
    (["US-CA"], ["US-WA"], False),
    (["US-CA"], ["US"], True),
    (["US"], ["US-CA"], True),
    (["CN"], ["world"], True),
    (["EU", "KR"], ["KR"], True),
    (["IN"], ["IT"], False),
    (["EU"], ["IT"], True),
]


@pytest.mark.parametrize(("holds", "deployed", "met"), PLACES)
def test_a_rule_holds_where_the_deployment_is(one_rule, facts, holds, deployed, met):
    assert meet(holds, deployed) == met
    policy = load_policy(one_rule("'false'", jurisdiction=f"[{', '.join(holds)}]"))
    found = outcome(policy, facts(deployment={"jurisdictions": tuple(deployed)}))
    assert found.outcome == ("failed" if met else "not_applicable")


def test_where_no_rule_applies_nothing_is_allowed(write, facts):
    rule = "{id: only, stage: request, require: 'true', jurisdiction: [KR], because: x}"
    policy = load_policy(write(f"name: a\ndescription: b\nrules:\n- {rule}\n"))
    assert decide(policy, facts(deployment={"jurisdictions": ("KR",)})).allowed
    decision = decide(policy, facts(deployment={"jurisdictions": ("EU",)}))
    assert [finding.outcome for finding in decision.findings] == ["not_applicable", "failed"]
    assert not decision.allowed


# People's word

SWORN = """
name: house
description: Somebody has looked.
rules:
  - id: read
    stage: request
    attest: {what: Counsel has read the terms., who: counsel}
    because: The terms were read.
"""
VOUCHED = """
exposure: public
attested:
  house/read: {by: "J. Doe, counsel", on: 2026-10-01, until: 2026-12-31}
"""


def sworn(facts, deployment, day):
    now = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return deployment.added_to(facts(date=day), now)


def test_what_software_cannot_check_takes_somebody_s_word(write, facts):
    policy = load_policy(write(SWORN))
    refused = decide(policy, sworn(facts, UNKNOWN, "2026-11-28"))
    assert not refused.allowed
    assert "it takes the word of counsel" in refused.findings[0].text
    told = load_deployment(write(VOUCHED, "deployment.yaml"))
    allowed = decide(policy, sworn(facts, told, "2026-11-28"))
    assert allowed.allowed
    assert "Vouched for by J. Doe, counsel on 2026-10-01." in allowed.findings[0].text
    assert allowed.deployment == told.digest


@pytest.mark.parametrize("day", ["2026-09-30", "2027-01-01"])
def test_a_word_that_has_run_out_or_not_begun_is_none(write, facts, day):
    told = load_deployment(write(VOUCHED, "deployment.yaml"))
    assert not decide(load_policy(write(SWORN)), sworn(facts, told, day)).allowed


def test_somebody_s_word_for_another_rule_is_none_for_this(write, facts):
    told = load_deployment(write(VOUCHED.replace("house/read", "home/read"), "deployment.yaml"))
    assert not decide(load_policy(write(SWORN)), sworn(facts, told, "2026-11-28")).allowed


# The deployment's file


def test_what_a_deployment_says_is_known_to_rules(write, one_rule, facts):
    told = load_deployment(
        write(
            """
            placed_on_market: 2026-08-02
            jurisdictions: [DE]
            is_deepfake: false
            monthly_users: 1000000
            """,
            "deployment.yaml",
        )
    )
    assert told.facts.placed_on_market == "2026-08-02"
    assert told.facts.jurisdictions == ("DE",)
    assert told.facts.is_deepfake is False
    assert told.facts.monthly_users == 1_000_000
    assert told.facts.exposure is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exposure: all\n", "line 1: exposure: 'all' is no choice; choose public, business"),
        ("is_deepfak: true\n", "is_deepfak: no such key; did you mean is_deepfake"),
        ("is_deepfake: maybe\n", "is_deepfake: expected true or false, found 'maybe'"),
        ("jurisdictions: []\n", "jurisdictions"),
        ("jurisdictions: [europe]\n", r"jurisdictions\[0\]: expected a name"),
        ("monthly_users: many\n", "monthly_users: expected a whole number, found 'many'"),
        ("placed_on_market: last year\n", "placed_on_market: expected a day such as"),
        ("attested: {a/b: {by: x, on: 2026-02-01, until: 2026-01-01}}\n", "before it begins"),
        ("attested: {a/b: {on: 2026-02-01}}\n", r"attested\.a/b: by is missing"),
        ("exposure: public\nexposure: internal\n", "is there twice"),
        ("- a\n", "expected keys"),
    ],
)
def test_what_is_wrong_in_a_deployment_is_named_by_its_key_path(write, text, reason):
    with pytest.raises(PolicyError, match=reason):
        load_deployment(write(text, "deployment.yaml"))


def test_a_deployment_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyError, match="no deployment file"):
        load_deployment(tmp_path / "none.yaml")


def test_a_fact_that_is_not_known_refuses_and_says_how_it_would_be(one_rule, facts):
    found = outcome(load_policy(one_rule("'!deployment.is_deepfake'")), facts())
    assert found.outcome == "error"
    assert "deployment.is_deepfake is not known; name a deployment file" in found.text
    policy = load_policy(one_rule("request.count > 0 || deployment.is_deepfake"))
    assert outcome(policy, facts()).outcome == "error"  # even where it would not matter
    assert outcome(policy, facts(deployment={"is_deepfake": False})).outcome == "passed"
