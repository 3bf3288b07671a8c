"""The engine's mechanism: what one step releases, measured, not read from the code."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from safegen.errors import PlanError, TrainingError
from safegen.privacy.engine import PrivateEngine
from safegen.privacy.plan import PrivacyPlan

RATE = 1.0


def plan(**changes):
    fields = {
        "epsilon": 8.0,
        "delta": 1e-4,
        "records": 100,
        "expected_batch_size": 10,
        "steps": 50,
        "clipping_norm": 1.0,
        "noise_multiplier": 1e-6,
    }
    return PrivacyPlan(**(fields | changes))


def engine_on(network, rows_beside=0, **changes):
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    return PrivateEngine(network, plan(**changes), optimizer, rows_beside=rows_beside)


def linear(width=3):
    layer = nn.Linear(width, 1, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def moved(network):
    return -network.weight.detach().numpy().ravel() / RATE


def test_each_row_is_clipped_by_itself_and_the_sum_is_divided_by_the_expected_batch():
    network = linear()
    engine = engine_on(network)
    rows = torch.tensor([[30.0, 0, 0], [0, 0.5, 0], [0, 0, 4.0]])
    engine.step(engine.network(rows).squeeze(1))
    assert moved(network) == pytest.approx(np.array([1.0, 0.5, 1.0]) / 10, abs=1e-5)


def test_the_divisor_does_not_follow_the_drawn_batch():
    few, many = linear(), linear()
    one = torch.tensor([[1.0, 0, 0]])
    for network, rows in ((few, one), (many, one.repeat(30, 1))):
        engine = engine_on(network)
        engine.step(engine.network(rows).squeeze(1))
    assert moved(many)[0] == pytest.approx(30 * moved(few)[0], rel=1e-4)


def test_rows_beside_count_in_the_divisor():
    network = linear()
    engine = engine_on(network, rows_beside=30)
    engine.step(engine.network(torch.tensor([[1.0, 0, 0]])).squeeze(1))
    assert moved(network)[0] == pytest.approx(1 / 40, rel=1e-4)


def test_an_empty_batch_is_a_step_with_noise():
    network = linear(2000)
    engine = engine_on(network, noise_multiplier=2.0, clipping_norm=3.0)
    engine.step(None)
    assert engine.steps_run == 1
    assert moved(network).std() * 10 == pytest.approx(6.0, rel=0.1)


def test_the_noise_is_gaussian_with_the_planned_deviation():
    network = linear(20_000)
    engine = engine_on(network, noise_multiplier=1.5, clipping_norm=2.0)
    engine.step(engine.network(torch.zeros(4, 20_000)).squeeze(1))
    assert stats.kstest(moved(network) * 10 / 3.0, "norm").pvalue > 1e-4


def test_two_engines_never_draw_the_same_noise():
    draws = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - the point: no global seed may reach the noise
        network = linear(8)
        engine = engine_on(network, noise_multiplier=1.0)
        engine.step(engine.network(torch.zeros(1, 8)).squeeze(1))
        draws.append(moved(network))
    assert not np.allclose(*draws)


def test_two_engines_never_draw_the_same_records():
    """Whoever could repeat the sampling would know who was in a step, and gain by it."""
    draws = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - the point: no global seed may reach the sampling
        engine = engine_on(linear())
        draws.append([engine.draw().tolist() for _ in range(5)])
    assert draws[0] != draws[1]


def test_records_enter_a_step_independently():
    """Poisson sampling: the drawn size is binomial, and pairs of records are uncorrelated."""
    engine = engine_on(linear())
    member = np.zeros((3000, 100), dtype=bool)
    for row in member:
        row[engine.draw()] = True
    assert stats.binomtest(int(member.sum()), member.size, 0.1).pvalue > 1e-4
    variance = member.sum(axis=1).var()
    assert variance == pytest.approx(100 * 0.1 * 0.9, rel=0.15)  # a fixed size would have 0
    pair = stats.pearsonr(member[:, 0].astype(float), member[:, 1].astype(float))
    assert pair.pvalue > 1e-4


def test_steps_are_counted_as_events():
    engine = engine_on(linear(), noise_multiplier=1.0)
    assert engine.events() == ()
    for _ in range(3):
        engine.step(engine.network(torch.zeros(1, 3)).squeeze(1))
    (event,) = engine.events()
    assert event.count == engine.steps_run == 3
    assert event.sampling_probability == 0.1


def test_public_use_passes_gradients_through_and_leaves_none_behind():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    engine = engine_on(network)
    inputs = torch.randn(5, 3, requires_grad=True)
    with engine.used_publicly() as lent:
        lent(inputs).sum().backward()
    assert inputs.grad is not None
    assert all(p.grad is None for p in network.parameters())
    assert all(getattr(p, "grad_sample", None) is None for p in network.parameters())
    engine.step(engine.network(torch.randn(2, 3)).squeeze(1))  # and private steps go on
    assert engine.steps_run == 1


def test_a_broken_gradient_stops_training_and_is_counted():
    network = linear()
    engine = engine_on(network)
    with pytest.raises(TrainingError, match="not finite"):
        engine.step(engine.network(torch.tensor([[float("nan"), 0, 0]])).squeeze(1))
    assert engine.steps_run == 1
    assert torch.equal(network.weight, torch.zeros(1, 3))


def test_batch_norm_is_refused_with_a_way_out():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with pytest.raises(PlanError, match="GroupNorm"):
        engine_on(network)
