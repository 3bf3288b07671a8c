"""Training as its caller sees it: what it spends, what it refuses, and what it leaves."""

import dataclasses

import pytest

import safegen
from safegen.data.sources import load as load_data
from safegen.errors import (
    BudgetRefused,
    PlanError,
    StorageError,
)
from safegen.privacy.accounting.budget import Budget


def test_the_grant_is_taken_before_the_first_step(made, tmp_path, monkeypatch):
    def dies(*arguments, **options):
        raise KeyboardInterrupt

    budget = str(tmp_path / "budget.db")
    monkeypatch.setattr("safegen.pipeline.train.run.rehearse_run", lambda *_: None)  # it runs
    monkeypatch.setattr("safegen.training.loop.Training.run", dies)
    with pytest.raises(KeyboardInterrupt):
        safegen.train(
            "digits",
            out=tmp_path / "model",
            steps=5,
            prior="none",
            keys=made.keys,
            ledger=tmp_path / "ledger.db",
            budget=budget,
        )
    (account,) = Budget(budget).accounts()
    assert account.spent > 7.9


def test_training_into_a_folder_with_a_model_refuses_and_keeps_it(made):
    before = (made.model / "weights.safetensors").read_bytes()
    with pytest.raises(StorageError, match="already holds a model"):
        safegen.train("digits", out=made.model, keys=made.keys, ledger=made.ledger)
    assert (made.model / "weights.safetensors").read_bytes() == before


def test_what_cannot_be_planned_spends_nothing(made, tmp_path):
    budget = tmp_path / "budget.db"
    for wrong in (
        {"epsilon": 0},
        {"delta": 0.1},
        {"batch": 5000},
        {"device": "abacus"},
        {"seed": -1},
    ):
        with pytest.raises(PlanError):
            safegen.train(
                "digits",
                out=tmp_path / "model",
                keys=made.keys,
                ledger=tmp_path / "ledger.db",
                budget=str(budget),
                **wrong,
            )
    assert Budget(str(budget)).accounts() == ()


def test_a_budget_without_room_refuses_before_the_prior_is_learnt(made, tmp_path):
    digits = load_data("digits")
    private = dataclasses.replace(digits, card=digits.card.model_copy(update={"public": False}))
    budget, told = str(tmp_path / "budget.db"), []

    def run(name, **wishes):
        return safegen.train(
            private, out=tmp_path / name, keys=made.keys, ledger=tmp_path / "l.db", budget=budget,
            progress=lambda stage, *_: told.append(stage), **wishes,
        )  # fmt: skip

    run("first", epsilon=8.0, steps=2, prior="none", canaries=0)
    Budget(budget).set_total(digits.card.digest, 0.1)
    told.clear()
    with pytest.raises(BudgetRefused, match="let its owner raise the total"):
        run("second", epsilon=8.0)
    assert set(told) == {"loading"}
    assert not (tmp_path / "second" / "checkpoint.safetensors").exists()


def test_the_grant_is_settled_with_what_ran(made, tmp_path):
    budget = str(tmp_path / "budget.db")
    model = safegen.train(
        "digits",
        out=tmp_path / "model",
        epsilon=3.0,
        steps=400,
        prior="none",
        noise_multiplier=0.8,
        batch=64,
        keys=made.keys,
        ledger=tmp_path / "ledger.db",
        budget=budget,
    )
    (account,) = Budget(budget).accounts()
    certificate = model.certificate
    assert certificate.outcome == "budget_exhausted"
    assert certificate.events[0].count < 400
    assert account.spent == pytest.approx(certificate.epsilon)


def test_a_gan_goes_the_same_way(made, tmp_path):
    model = safegen.train(
        "digits",
        out=tmp_path / "gan",
        model="gan",
        steps=60,
        batch=64,
        prior="none",
        size=28,
        keys=made.keys,
        ledger=tmp_path / "ledger.db",
        budget=str(tmp_path / "budget.db"),
    )
    assert [event.event for event in model.certificate.events] == ["poisson_subsampled_gaussian"]
    release = model.generate(2, label=1, seed=0, purpose="a test")
    paths = release.save(tmp_path / "out")
    assert safegen.verify(paths[0], trust=made.root).state == "trusted"


def test_private_data_leave_only_a_commitment(made, tmp_path):
    import numpy as np

    from safegen.data.dataset import assemble

    generator = np.random.default_rng(0)
    data = assemble(
        generator.integers(0, 256, (60, 3, 28, 28), dtype=np.uint8),
        generator.integers(0, 2, 60),
        ("a", "b"),
        name="ours",
        source="ours",
        licence="none",
    )
    model = safegen.train(
        data,
        out=tmp_path / "model",
        steps=2,
        prior="none",
        keys=made.keys,
        ledger=tmp_path / "ledger.db",
        budget=str(tmp_path / "budget.db"),
    )
    assert model.certificate.data.digest.startswith("salted-sha256:")
    hidden = data.card.digest.removeprefix("sha256:").encode()
    for path in (tmp_path / "model").iterdir():
        assert hidden not in path.read_bytes()
