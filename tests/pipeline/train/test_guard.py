"""Policies are asked before a training; what they refuse plans, spends and writes nothing."""

import pytest

import safegen
from safegen.config.training import TrainingConfig
from safegen.config.training_guard import TrainingGuard
from safegen.config.workspace import Workspace
from safegen.errors import PolicyError, Refused
from safegen.pipeline.train import run
from safegen.privacy.accounting.budget import Budget

POLICY = """
name: ours
description: Licensed, for a purpose, within epsilon 4.
rules:
  - {id: licensed, stage: train, require: data.licence != "", because: Licensed.}
  - {id: small, stage: train, require: plan.epsilon <= 4.0, because: Within epsilon 4.}
  - {id: what-for, stage: train, require: plan.purpose != "", because: For a purpose.}
  - {id: where, stage: train, require: deployment.exposure == "internal", because: Inside.}
"""


@pytest.fixture
def guard(tmp_path):
    (tmp_path / "ours.yaml").write_text(POLICY)
    (tmp_path / "deployment.yaml").write_text("exposure: internal\n")

    def guard(**changes):
        told = {"deployment": tmp_path / "deployment.yaml", "purpose": "a study"} | changes
        return TrainingGuard(policy=tmp_path / "ours.yaml", **told)

    return guard


def train(tmp_path, made, guard, epsilon=4.0):
    places = Workspace(
        keys=made.keys, ledger=tmp_path / "ledger.db", budget=str(tmp_path / "budget.db")
    )
    return safegen.train(
        "digits",
        out=tmp_path / "model",
        epsilon=epsilon,
        training=TrainingConfig(steps=1, pretraining="none"),
        workspace=places,
        guard=guard,
    )


@pytest.mark.parametrize(
    ("changes", "epsilon", "broken"),
    [
        ({}, 4.5, "small: Within epsilon 4"),
        ({"purpose": "  "}, 4.0, "what-for: For a purpose"),
        ({"deployment": None}, 4.0, "deployment.exposure is not known"),
    ],
)
def test_what_is_refused_plans_and_spends_nothing(
    tmp_path, made, guard, monkeypatch, changes, epsilon, broken
):
    monkeypatch.setattr(run, "plan_for", None)  # nothing can be planned
    with pytest.raises(Refused, match=broken) as refused:
        train(tmp_path, made, guard(**changes), epsilon)
    assert refused.value.decision.stage == "train"
    assert not (tmp_path / "model" / "config.json").exists()
    assert Budget(tmp_path / "budget.db").accounts() == ()


def test_what_is_allowed_goes_on_to_its_plan(tmp_path, made, guard, monkeypatch):
    class PlannedError(Exception):
        """It came as far as its plan."""

    def planned(*asked):
        raise PlannedError(asked)

    monkeypatch.setattr(run, "plan_for", planned)
    with pytest.raises(PlannedError) as reached:
        train(tmp_path, made, guard())
    ((privacy, training, *_),) = reached.value.args
    assert (privacy.epsilon, training.steps) == (4.0, 1)


def test_a_guard_whose_policies_say_nothing_of_training_refuses(tmp_path, made):
    with pytest.raises(Refused, match="no rule for the train stage"):
        train(tmp_path, made, TrainingGuard(policy="baseline"))


def test_a_policy_that_does_not_load_stops_a_training(tmp_path, made):
    with pytest.raises(PolicyError, match="no policy nowhere"):
        train(tmp_path, made, TrainingGuard(policy="nowhere"))
