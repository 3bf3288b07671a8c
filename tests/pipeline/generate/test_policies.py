"""Policies at a release: several together, with a deployment, and what is signed of them."""

import json

import pytest

import safegen
from safegen.config.workspace import Workspace
from safegen.errors import PolicyError, Refused
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.canonical import sha256
from safegen.schemas.decision import Decision

HOUSE = """
name: house
description: Somebody asks, and warns of bags.
jurisdiction: [EU]
rules:
  - {id: who, stage: request, require: request.actor == "ada", because: Ada asks.}
  - {id: labelled, stage: release, require: marks.label, severity: warn, because: It has a label.}
  - {id: korean, stage: release, require: marks.label, jurisdiction: [KR], because: Korea.}
  - {id: sworn, stage: request, attest: {what: It is so., who: counsel}, because: Sworn.}
"""
DEPLOYMENT = "jurisdictions: [DE]\nattested: {house/sworn: {by: J. Doe, on: 2026-01-01}}\n"


@pytest.fixture
def loaded(made, tmp_path):
    (tmp_path / "house.yaml").write_text(HOUSE)
    (tmp_path / "deployment.yaml").write_text(DEPLOYMENT)

    def loaded(**changes):
        told = {
            "policy": ["baseline", tmp_path / "house.yaml"],
            "deployment": tmp_path / "deployment.yaml",
        }
        places = Workspace(keys=made.keys, ledger=tmp_path / "ledger.db")
        return safegen.load(made.model, workspace=places, **(told | changes))

    return loaded


def test_what_several_allow_is_signed_with_each_and_verified(made, loaded, tmp_path):
    release = loaded().generate(2, purpose="a figure", actor="ada")
    paths = release.save(tmp_path / "out")
    receipt = release.outputs[0].receipt
    admitted, released = receipt.decisions
    assert [part.name for part in released.policies] == ["baseline", "house"]
    assert released.deployment == sha256((tmp_path / "deployment.yaml").read_bytes())
    assert [screen.name for screen in released.screens] == ["contrast"]
    outcomes = {finding.rule: finding.outcome for finding in released.findings}
    assert outcomes["house/labelled"] == "warned"
    assert outcomes["house/korean"] == "not_applicable"
    assert outcomes["baseline/output-signed"] == "passed"
    assert "Vouched for by J. Doe" in str(admitted.findings)
    verdict = safegen.verify(paths[0], trust=made.root, ledger=tmp_path / "ledger.db")
    assert verdict.state == "trusted", verdict
    (policy,) = [each for each in verdict.findings if each.step == "policy"]
    assert policy.outcome == "passed"
    assert Decision.model_validate_json(released.model_dump_json()) == released


def test_any_of_several_refuses_and_the_log_knows_their_digest(loaded, tmp_path):
    opened = loaded()
    with pytest.raises(Refused, match="house/who: Ada asks") as refused:
        opened.generate(1, purpose="a figure", actor="bob")
    with pytest.raises(Refused, match="baseline/purpose-stated"):
        opened.generate(1, purpose="", actor="ada")
    with pytest.raises(Refused, match=r"house/sworn.*jurisdictions is not known"):
        loaded(deployment=None).generate(1, purpose="a figure", actor="ada")
    assert len(Ledger(tmp_path / "ledger.db")) == 3
    assert len(refused.value.decision.policies) == 2


def test_a_policy_that_is_changed_after_it_was_loaded_changes_nothing(loaded, tmp_path):
    """Both decisions of a receipt were made by one policy, with one digest."""
    opened = loaded()
    (tmp_path / "house.yaml").write_text(HOUSE.replace('"ada"', '"eve"'))
    release = opened.generate(1, purpose="a figure", actor="ada")
    admitted, released = release.outputs[0].receipt.decisions
    assert admitted.policy_digest == released.policy_digest
    with pytest.raises(Refused, match="house/who"):
        loaded().generate(1, purpose="a figure", actor="ada")


def test_without_a_policy_no_model_loads(loaded):
    with pytest.raises(PolicyError, match="without one nothing is allowed"):
        loaded(policy=[])


def test_a_screen_of_the_same_name_with_another_source_is_seen_in_the_decision(
    made, loaded, monkeypatch
):
    """What measured is named with its digest, in what is signed."""
    first = loaded().generate(1, purpose="x", actor="ada").outputs[0].receipt.decisions[1]
    monkeypatch.setattr("safegen.screens.bound.digest_of", lambda _: "sha256:00")
    other = loaded().generate(1, purpose="x", actor="ada").outputs[0].receipt.decisions[1]
    assert first.screens[0].digest.startswith("sha256:")
    assert first.screens != other.screens
    assert json.loads(other.model_dump_json())["screens"][0]["digest"] == "sha256:00"
