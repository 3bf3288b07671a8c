"""Canaries in running engines: the bound stays below the claim, unless the engine is broken."""

import numpy as np
import pytest
import torch
from torch import nn

from safegen.audit.canaries import compare, lower_bound
from safegen.data.sources import load
from safegen.privacy.accounting.events import epsilon_of
from safegen.privacy.accounting.plan import Workload, plan_within
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.lattice import Lattice
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.training.loop import Training
from safegen.training.objectives.gan import GanObjective
from safegen.training.objectives.vae import VaeObjective
from safegen.training.presets.registry import preset

DELTA = 1e-5
RUNS = 20


def records_of(data):
    return PrivateRecords(data.images, data.labels, data.groups)


def planned(epsilon, steps=100, **changes):
    fields = {"units": 1000, "expected_batch_size": 100, "clipping_norm": 1.0} | changes
    return plan_within(Workload(steps=steps, **fields), epsilon=epsilon, delta=DELTA)


def heard(plan, count=1000):
    """The canaries of one whole run of a small network."""
    network = nn.Linear(3, 1)
    canaries = Canaries(count)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    engine = PrivateEngine(network, plan, optimizer, settings=Settings(canaries=canaries))
    for _ in range(plan.steps):
        draw = engine.draw()
        rows = torch.randn(len(draw.rows), 3)
        engine.step(draw, (rows,), lambda network, rows: network(rows).square().squeeze(1))
    return canaries


def bound(canaries):
    return lower_bound(canaries.scores, canaries.included, DELTA).epsilon


def doubts(canaries, plan):
    margin = 0.002
    found = compare(
        canaries.scores,
        canaries.included,
        steps=plan.steps,
        sampling_probability=plan.sampling_probability,
        deviation=plan.noise_multiplier * (1 + margin),
    )
    return {each.what for each in found if not each.sound}


@pytest.mark.parametrize("epsilon", [1.0, 4.0, 10.0])
def test_on_a_sound_engine_no_bound_exceeds_the_claim(epsilon):
    plan = planned(epsilon)
    claim = epsilon_of(plan.events(), DELTA)
    assert claim <= epsilon
    runs = [heard(plan) for _ in range(RUNS)]
    assert max(bound(canaries) for canaries in runs) <= claim
    assert sum(bool(doubts(canaries, plan)) for canaries in runs) <= 1


def test_the_bound_says_something_where_there_is_something_to_say():
    assert np.median([bound(heard(planned(10.0))) for _ in range(5)]) > 1.0


def test_with_the_noise_off_it_exceeds_five(monkeypatch):
    monkeypatch.setattr(Lattice, "noise", lambda *_: 0)
    canaries = heard(planned(1.0))
    assert bound(canaries) > 5
    assert "the noise variance on excluded canaries" in doubts(canaries, planned(1.0))


def test_with_the_noise_halved_the_scores_do_not_fit(monkeypatch):
    whole = Lattice.noise
    monkeypatch.setattr(Lattice, "noise", lambda *arguments: whole(*arguments) // 2)
    assert "the noise variance on excluded canaries" in doubts(heard(planned(4.0)), planned(4.0))


def test_with_the_clipping_off_the_bound_exceeds_the_claim(monkeypatch):
    from safegen.privacy.clipping.bookkeeping import BookKeeping

    clipped = BookKeeping.clipped_sum
    monkeypatch.setattr(
        BookKeeping,
        "clipped_sum",
        lambda self, losses, _, **layout: clipped(self, losses, 1e9, **layout),
    )
    canaries = heard(planned(4.0))
    assert bound(canaries) > 4.0
    assert "the mean score of included canaries" in doubts(canaries, planned(4.0))


def test_a_run_whose_canaries_heard_another_mechanism_gets_no_certificate(
    made, tmp_path, monkeypatch
):
    """Nobody needs to look: training itself refuses to certify, even if rehearsal saw nothing."""
    import safegen
    from safegen.errors import TrainingError
    from safegen.privacy.accounting.budget import Budget

    workspace = safegen.Workspace(
        keys=made.keys, ledger=tmp_path / "ledger.db", budget=tmp_path / "budget.db"
    )
    whole = Lattice.noise
    monkeypatch.setattr("safegen.pipeline.train.run.rehearse", lambda *_: None)
    monkeypatch.setattr("safegen.pipeline.train.run.rehearse_run", lambda *_: None)
    monkeypatch.setattr(Lattice, "noise", lambda *arguments: whole(*arguments) // 2)
    with pytest.raises(TrainingError, match=r"noise variance.*no certificate"):
        safegen.train(
            "digits",
            out=tmp_path / "model",
            training=safegen.TrainingConfig(steps=20, pretraining="none"),
            workspace=workspace,
        )
    assert not (tmp_path / "model" / "digests.json").exists()
    (account,) = Budget(str(tmp_path / "budget.db")).accounts()
    assert account.spent > 7.9


@pytest.mark.slow
@pytest.mark.parametrize("family", [VaeObjective, GanObjective])
@pytest.mark.parametrize("epsilon", [1.0, 4.0, 10.0])
def test_on_the_real_networks_no_bound_exceeds_the_claim(family, epsilon):
    data = load("digits", size=28)
    chosen = preset("vae" if family is VaeObjective else "gan", data.card, 8.0, prior="none")
    plan = planned(epsilon, steps=60, units=len(data))
    bounds, odd = [], 0
    for _ in range(RUNS):
        canaries = Canaries(1000)
        objective = family(chosen.architecture, chosen.recipe)
        settings = Settings(canaries=canaries)
        training = Training(objective, plan, chosen.recipe, settings=settings)
        training.run(records_of(data), Releases(plan, key=1))
        bounds.append(bound(canaries))
        odd += bool(doubts(canaries, plan))
    print(f"\nepsilon {epsilon:g}: lower bounds {min(bounds):.2f} to {max(bounds):.2f}")
    assert max(bounds) <= epsilon
    assert odd <= 1
