"""What is met, missed, attested, not to be told or not applicable; and what is to be done."""

from datetime import UTC, datetime

import pytest

from safegen.policy.deployment import load_deployment
from safegen.policy.gap import rows_of
from safegen.policy.load import load_policy

POLICY = """
name: house
description: Of the house.
rules:
  - {id: few, stage: request, require: request.count < 3, because: Few., remedy: Ask for less.}
  - {id: loud, stage: request, require: 'false', severity: warn, because: Quiet.}
  - {id: shown, stage: request, require: deployment.shows_people, because: Shown.}
  - {id: korean, stage: request, require: 'false', jurisdiction: [KR], because: There.}
  - {id: read, stage: request, attest: {what: It was read., who: counsel}, because: Read.}
  - {id: sworn, stage: request, attest: {what: It is so., who: counsel}, because: So.}
  - {id: later, stage: release, require: manifest.signed, because: Signed.}
  - {id: hint, stage: release, require: marks.label, severity: warn, because: Labelled.}
"""
DEPLOYMENT = "jurisdictions: [EU]\nattested: {house/read: {by: J. Doe, on: 2026-10-01}}\n"


@pytest.fixture
def rows(write, facts):
    policy = load_policy(write(POLICY))
    told = load_deployment(write(DEPLOYMENT, "deployment.yaml"))
    asked = facts(count=5, deployment={"jurisdictions": ("EU",)})
    found = rows_of(policy, [told.added_to(asked, datetime(2026, 11, 28, tzinfo=UTC))])
    return {row.rule: row for row in found}


@pytest.mark.parametrize(
    ("rule", "state", "todo"),
    [
        ("few", "missed", "Ask for less."),
        ("loud", "missed", "Make it true: false"),
        ("shown", "unknown", "Say deployment.shows_people, in the deployment's file"),
        ("korean", "not_applicable", None),
        ("read", "attested", None),
        ("sworn", "missed", "Have it vouched for by counsel, as `house/sworn`"),
        ("later", "unknown", "Say manifest.signed, by asking about an output."),
        ("hint", "unknown", "Say marks.label, by asking about an output."),
    ],
)
def test_each_rule_has_its_state_and_what_is_to_be_done(rows, rule, state, todo):
    assert rows[rule].state == state
    assert (rows[rule].todo or "").startswith(todo or "")
    assert (rows[rule].todo is None) == (todo is None)


def test_whose_word_it_is_stands_there_and_what_to_do_once(rows):
    assert "Vouched for by J. Doe on 2026-10-01" in rows["read"].text
    assert rows["few"].text == "Few."
    assert rows["loud"].warns
    assert not rows["few"].warns
