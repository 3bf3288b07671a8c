"""Policies that hold together, and policies that tighten others."""

import pytest

from safegen.errors import PolicyError
from safegen.policy.guard import decide
from safegen.policy.load import load_policies, load_policy
from safegen.schemas.canonical import canonical_bytes

ALWAYS = "{id: any, stage: %s, require: 'true', because: It may.}"


def policy(name, *rules, **keys):
    more = "".join(f"{key}: {value}\n" for key, value in keys.items())
    listed = "".join(f"- {rule}\n" for rule in rules)
    return f"name: {name}\ndescription: Of {name}.\n{more}rules:\n{listed}"


@pytest.fixture
def small_and_named(write):
    write(
        policy(
            "small",
            "{id: few, stage: request, require: request.count < 3, because: Few.}",
            ALWAYS % "release",
        ),
        "small.yaml",
    )
    named = "{id: who, stage: request, require: request.actor != '', because: Named.}"
    return [
        write(policy("named", named), "named.yaml").with_name(f"{n}.yaml")
        for n in ("small", "named")
    ]


def test_all_of_several_must_allow(small_and_named, facts):
    both = load_policies(small_and_named)
    assert decide(both, facts(count=2, actor="ada")).allowed
    assert not decide(both, facts(count=3, actor="ada")).allowed
    refused = decide(both, facts(count=2, actor=""))
    assert not refused.allowed
    assert [finding.rule for finding in refused.findings] == ["small/few", "named/who"]
    assert refused.policy == "small + named"
    assert [part.name for part in refused.policies] == ["small", "named"]
    assert refused.policy_digest == both.digest != load_policies(small_and_named[::-1]).digest


def test_one_alone_decides_as_in_0_1(small_and_named, facts):
    decision = decide(load_policies(small_and_named[0]), facts())
    assert decision.policies is None
    assert b"policies" not in canonical_bytes(decision)
    assert decision.policy_digest == load_policy(small_and_named[0]).digest


def test_no_policy_allows_nothing():
    with pytest.raises(PolicyError, match="without one nothing is allowed"):
        load_policies([])


def test_two_of_one_name_are_refused(small_and_named, write):
    other = write(policy("small", ALWAYS % "request"), "other.yaml")
    with pytest.raises(PolicyError, match="two policies are named small"):
        load_policies([small_and_named[0], other])


def test_a_set_that_could_let_nothing_out_is_refused_by_the_stage(small_and_named):
    load_policies(small_and_named).require_stages()
    with pytest.raises(PolicyError, match="none for the release stage"):
        load_policies(small_and_named[1]).require_stages()


def test_the_strictest_setting_of_several_holds(write):
    one = policy("one", ALWAYS % "request", time_stamps="required")
    mining = "{ai_training: allowed, data_mining: constrained, ai_inference: notAllowed}"
    two = policy("two", ALWAYS % "request", training_mining=mining)
    both = load_policies([write(one, "one.yaml"), write(two, "two.yaml")])
    assert both.stamps_required
    assert both.training_mining == {
        "ai_generative_training": "notAllowed",
        "ai_training": "notAllowed",
        "ai_inference": "notAllowed",
        "data_mining": "notAllowed",
    }


# Extending

PAST = "{until: 2026-01-01}"

BASE = policy(
    "base",
    "{id: few, stage: request, require: request.count < 10, because: Few.}",
    "{id: seen, stage: release, require: manifest.signed, because: Signed.}",
    "{id: sworn, stage: release, attest: {what: It is so., who: counsel}, because: Sworn.}",
    time_stamps="required",
    training_mining="{ai_inference: constrained}",
)


@pytest.fixture
def extended(write):
    def extended(*rules, **keys):
        write(BASE, "base.yaml")
        return load_policy(write(policy("mine", *rules, extends="base.yaml", **keys), "mine.yaml"))

    return extended


def test_what_is_extended_holds_as_well(extended, facts):
    mine = extended("{id: who, stage: request, require: request.actor != '', because: Named.}")
    assert [rule.id for rule in mine.rules] == ["few", "seen", "sworn", "who"]
    assert mine.stamps_required
    assert mine.training_mining["ai_inference"] == "constrained"
    assert decide(mine, facts(count=9, actor="ada")).allowed
    assert not decide(mine, facts(count=10, actor="ada")).allowed


def test_a_rule_of_the_same_id_cannot_allow_what_the_base_denies(extended, facts):
    mine = extended("{id: few, stage: request, require: request.count < 100, because: More.}")
    assert not decide(mine, facts(count=50)).allowed
    strict = extended("{id: few, stage: request, require: request.count < 5, because: Less.}")
    assert not decide(strict, facts(count=7)).allowed
    assert decide(strict, facts(count=4)).allowed


def test_the_base_is_part_of_the_digest(extended, write):
    rule = "{id: who, stage: request, require: request.actor != '', because: Named.}"
    first = extended(rule).digest
    write(BASE.replace("< 10", "< 11"), "base.yaml")
    assert (
        load_policy(write(policy("mine", rule, extends="base.yaml"), "mine.yaml")).digest != first
    )


@pytest.mark.parametrize(
    ("rule", "keys", "reason"),
    [
        (
            "{id: few, stage: request, require: 'true', severity: warn, because: x}",
            {},
            "severity.*few",
        ),
        ("{id: few, stage: release, require: 'true', because: x}", {}, "stage: .*at the request"),
        (
            "{id: few, stage: request, require: 'true', because: x, effective: " + PAST + "}",
            {},
            "effective: .*few holds at other times",
        ),
        (
            "{id: few, stage: request, require: 'true', jurisdiction: [KR], because: x}",
            {},
            "jurisdiction: .*few holds elsewhere",
        ),
        (
            "{id: sworn, stage: release, attest: {what: No., who: anybody}, because: x}",
            {},
            "attest: .*asks for another's word",
        ),
        (ALWAYS % "request", {"time_stamps": "preferred"}, "time_stamps: .*base requires"),
        (
            ALWAYS % "request",
            {"training_mining": "{ai_inference: allowed}"},
            r"training_mining\.ai_inference: .*base says constrained",
        ),
    ],
)
def test_what_loosens_is_refused_with_line_and_key_path(extended, rule, keys, reason):
    with pytest.raises(PolicyError, match=rf"mine\.yaml, line \d+: .*{reason}") as refused:
        extended(rule, **keys)
    assert "may only tighten" in str(refused.value)


def test_what_is_sworn_of_the_base_stays_to_be_sworn(extended, facts):
    mine = extended("{id: sworn, stage: release, require: 'true', because: x}")
    assert not decide(mine, facts("release")).allowed


def test_a_circle_is_refused(write):
    write(policy("one", ALWAYS % "request", extends="two.yaml"), "one.yaml")
    two = write(policy("two", ALWAYS % "request", extends="one.yaml"), "two.yaml")
    with pytest.raises(PolicyError, match="extends leads back to where it began"):
        load_policy(two)


def test_a_base_that_is_not_there_is_named(write):
    with pytest.raises(PolicyError, match=r"no policy basline.*did you mean baseline"):
        load_policy(write(policy("one", ALWAYS % "request", extends="basline")))
