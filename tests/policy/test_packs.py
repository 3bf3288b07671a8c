"""The policies that come with safegen: they cite their law, and do what their tests say."""

import dataclasses
import datetime as dt
import json
import re
from pathlib import Path

import celpy
import jsonschema
import pytest
import yaml

from safegen.policy.expression import compile_expression
from safegen.policy.load import load_policy, shipped_policies
from safegen.policy.own_tests import facts_of, run_tests

ROOT = Path(__file__).resolve().parents[2]
PACKS = shipped_policies()
NAMES = {
    "baseline", "eu-ai-act-art50", "eu-code-of-practice", "eu-ai-act-art5", "us-ca-sb942",
    "us-wa-hb1170", "cn-gb45438", "in-it-2026", "kr-ai-basic", "gdpr-edpb-28-2024",
    "nist-800-226", "nist-ai-600-1", "iso-42001", "hipaa-deidentification", "medical-research",
    "k12-education", "fashion-studio", "market-scenarios",
}  # fmt: skip


def test_every_pack_is_there():
    assert set(PACKS) == NAMES


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_s_own_tests_pass(name):
    results = run_tests(load_policy(name))
    assert results
    assert [(each.test.it, each.problems) for each in results if each.problems] == []


@pytest.mark.parametrize("name", sorted(NAMES - {"baseline"}))
def test_every_rule_cites_its_article(name):
    for rule in load_policy(name).rules:
        assert rule.law, rule.id
        assert rule.article, rule.id


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_has_facts_that_it_allows_and_facts_that_it_denies(name):
    policy = load_policy(name)
    said = {rule.id: set() for rule in policy.rules}
    for result in run_tests(policy):
        for finding in result.decision.findings:
            said.setdefault(finding.rule, set()).add(finding.outcome)
    for rule in policy.rules:
        assert {"passed", "warned" if rule.warns else "failed"} <= said[rule.id], rule.id


def mutants(rule, policy):
    """The rule negated, dropped, and weakened by each of its parts; None is a rule that is gone."""
    yield "dropped", None
    if rule.attest is not None:
        yield "without its word", dataclasses.replace(rule, attest=None)
    if rule.condition is None:
        return
    text = rule.condition.text
    told = " && ".join(f"{name} == {name}" for name in sorted(rule.facts))
    parts = split(text)
    weaker = [told] + [" && ".join(parts[:n] + parts[n + 1 :]) for n in range(len(parts))]
    for changed in (f"!({text})", *(each for each in weaker if each and each != text)):
        condition = compile_expression(changed, rule.stage, policy.more)
        yield changed, dataclasses.replace(rule, condition=condition)


def split(text):
    """The parts of a conjunction; a text with alternatives at its top is one part."""
    depth, parts, start = 0, [], 0
    bare = re.sub(r'"[^"]*"', lambda found: "x" * len(found.group()), text)
    for place, letter in enumerate(bare):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and bare.startswith("||", place):
            return [text]
        if depth == 0 and bare.startswith("&&", place):
            parts.append(text[start:place].strip())
            start = place + 2
    return [*parts, text[start:].strip()]


@pytest.mark.parametrize("name", PACKS)
def test_each_rule_negated_weakened_or_dropped_is_caught_by_the_pack_s_tests(name):
    policy = load_policy(name)
    for place, rule in enumerate(policy.rules):
        for how, mutant in mutants(rule, policy):
            kept = () if mutant is None else (mutant,)
            rules = (*policy.rules[:place], *kept, *policy.rules[place + 1 :])
            results = run_tests(dataclasses.replace(policy, rules=rules))
            assert any(each.problems for each in results), (rule.id, how)


@pytest.mark.parametrize("name", PACKS)
def test_a_second_evaluator_says_the_same_of_every_test(name):
    """cel-python, another implementation, as the oracle."""
    policy, environment = load_policy(name), celpy.Environment()
    programs = {
        rule.id: environment.program(environment.compile(rule.require))
        for rule in policy.rules
        if rule.condition
    }
    asked = 0
    for result in run_tests(policy):
        facts = facts_of(policy, result.test)
        said = {finding.rule: finding.outcome for finding in result.decision.findings}
        nested = celpy.json_to_cel(nest(facts.known))
        for rule in policy.rules:
            if rule.stage != facts.stage or not rule.condition or rule.attest:
                continue
            if said[rule.id] in {"not_applicable", "error"}:
                continue
            expected = bool(programs[rule.id].evaluate(nested))
            assert (said[rule.id] == "passed") == expected, (rule.id, result.test.it)
            asked += 1
    assert asked or not programs


def nest(known):
    nested = {}
    for name, value in known.items():
        *groups, fact = name.split(".")
        inner = nested
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[fact] = list(value) if isinstance(value, tuple) else value
    return nested


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_names_its_schema_and_keeps_it(name):
    path = ROOT / "policies" / f"{name}.yaml"
    first, _, text = path.read_text().partition("\n")
    named = first.removeprefix("# yaml-language-server: $schema=")
    schema = json.loads((path.parent / named).resolve().read_bytes())

    class AsWritten(yaml.SafeLoader):
        """Days stay the texts that they are in JSON."""

    AsWritten.add_constructor(
        "tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node)
    )
    content = yaml.load(text, AsWritten)
    check = jsonschema.Draft202012Validator(schema)
    check.validate(content)
    assert not check.is_valid(content | {"ruels": []})
    assert not check.is_valid(content | {"rules": []})


def test_nothing_in_a_pack_is_older_than_its_law_or_odd():
    """Days are days; `uncertain` law is marked in the rule, and whoever vouches is named."""
    for name in PACKS:
        for rule in load_policy(name).rules:
            begin = rule.effective.begin
            assert begin is None or dt.date(2025, 1, 1) < begin < dt.date(2028, 1, 1)
            assert rule.attest is None or rule.attest.who
