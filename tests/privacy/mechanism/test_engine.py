"""The engine's mechanism: what one step releases, measured, not read from the code."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from safegen.errors import PlanError, TrainingError
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.execution.processes import Processes
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.lattice import ARITHMETIC_ALLOWANCE, lattice
from safegen.privacy.mechanism.noise import UnsafeWarning
from safegen.privacy.mechanism.sampling import ABSENT_ROW, SampledUnits

RATE = 1.0


def plan(**changes):
    fields = {
        "epsilon": 8.0,
        "delta": 1e-4,
        "units": 100,
        "expected_batch_size": 10,
        "steps": 50,
        "clipping_norm": 1.0,
        "noise_multiplier": 1e-6,
    }
    return PrivacyPlan(**(fields | changes))


def engine_on(network, rows_beside=0, settings=None, groups=None, **changes):
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    return PrivateEngine(
        network,
        plan(**changes),
        optimizer,
        rows_beside=rows_beside,
        groups=groups,
        settings=settings,
    )


def output(network, rows):
    return network(rows).squeeze(1)


def step(engine, rows, drawn=None):
    """A step whose rows are the drawn ones, all of them by default."""
    drawn = len(rows) if drawn is None else drawn
    engine.step(SampledUnits(rows=np.arange(drawn), canaries=np.arange(0)), (rows,), output)


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
    step(engine, rows)
    assert moved(network) == pytest.approx(np.array([1.0, 0.5, 1.0]) / 10, abs=1e-5)


def test_the_divisor_does_not_follow_the_drawn_batch():
    few, many = linear(), linear()
    one = torch.tensor([[1.0, 0, 0]])
    for network, rows in ((few, one), (many, one.repeat(30, 1))):
        engine = engine_on(network)
        step(engine, rows)
    assert moved(many)[0] == pytest.approx(30 * moved(few)[0], rel=1e-4)


def test_rows_beside_count_in_the_divisor():
    network = linear()
    engine = engine_on(network, rows_beside=30)
    step(engine, torch.tensor([[1.0, 0, 0]]), drawn=1)
    assert moved(network)[0] == pytest.approx(1 / 40, rel=1e-4)


def test_an_empty_batch_is_a_step_with_noise():
    network = linear(2000)
    engine = engine_on(network, noise_multiplier=2.0, clipping_norm=3.0)
    step(engine, torch.zeros(0, 2000))
    assert engine.steps_run == 1
    assert moved(network).std() * 10 == pytest.approx(6.0, rel=0.1)


def test_the_noise_is_gaussian_with_the_planned_deviation():
    network = linear(20_000)
    engine = engine_on(network, noise_multiplier=1.5, clipping_norm=2.0)
    step(engine, torch.zeros(4, 20_000))
    assert stats.kstest(moved(network) * 10 / 3.0, "norm").pvalue > 1e-4


def test_two_engines_never_draw_the_same_noise():
    draws = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - the point: no global seed may reach the noise
        network = linear(8)
        engine = engine_on(network, noise_multiplier=1.0)
        step(engine, torch.zeros(1, 8))
        draws.append(moved(network))
    assert not np.allclose(*draws)


def test_two_engines_never_draw_the_same_records():
    """Whoever could repeat the sampling would know who was in a step, and gain by it."""
    draws = []
    for _ in range(2):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - the point: no global seed may reach the sampling
        engine = engine_on(linear())
        draws.append([engine.draw().rows.tolist() for _ in range(5)])
    assert draws[0] != draws[1]


def test_records_enter_a_step_independently():
    """Poisson sampling: the drawn size is binomial, and pairs of records are uncorrelated."""
    engine = engine_on(linear())
    member = np.zeros((3000, 100), dtype=bool)
    for row in member:
        row[engine.draw().rows] = True
    assert stats.binomtest(int(member.sum()), member.size, 0.1).pvalue > 1e-4
    variance = member.sum(axis=1).var()
    assert variance == pytest.approx(100 * 0.1 * 0.9, rel=0.15)  # a fixed size would have 0
    pair = stats.pearsonr(member[:, 0].astype(float), member[:, 1].astype(float))
    assert pair.pvalue > 1e-4


def test_steps_are_counted_as_events():
    engine = engine_on(linear(), noise_multiplier=1.0)
    assert engine.events() == ()
    for _ in range(3):
        step(engine, torch.zeros(1, 3))
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
    step(engine, torch.randn(2, 3))  # and private steps go on
    assert engine.steps_run == 1


def test_a_broken_gradient_stops_training_and_is_counted():
    network = linear()
    engine = engine_on(network)
    with pytest.raises(TrainingError, match="not finite"):
        step(engine, torch.tensor([[float("nan"), 0, 0]]))
    assert engine.steps_run == 1
    assert torch.equal(network.weight, torch.zeros(1, 3))


def test_batch_norm_is_refused_with_a_way_out():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    for mode in ("book-keeping", "hooks"):
        with pytest.raises(PlanError, match="GroupNorm"):
            engine_on(network, settings=Settings(execution=Execution(mode=mode)))


@pytest.mark.parametrize(
    "wrong", [{"mode": "fast"}, {"precision": "fp8"}, {"micro_batch": 0}, {"precision": "bf16"}]
)
def test_unknown_ways_of_working_are_refused(wrong):
    wrong = {"mode": "hooks"} | wrong
    with pytest.raises(PlanError):
        Execution(**wrong)


@pytest.mark.parametrize("mode", ["book-keeping", "hooks", "ew", "functorch", "ghost"])
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_every_mode_and_micro_batch_takes_the_same_step(mode, micro_batch):
    torch.manual_seed(0)
    start = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1)).state_dict()
    rows = torch.randn(10, 5) * torch.logspace(-2, 2, 10)[:, None]
    after = []
    for execution in (Execution(), Execution(mode=mode, micro_batch=micro_batch)):
        network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))
        network.load_state_dict(start)
        engine = engine_on(network, rows_beside=4, settings=Settings(execution=execution))
        step(engine, rows, drawn=6)
        after.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.allclose(*after, atol=1e-5)


def test_a_group_is_clipped_as_one():
    """Two records of one patient that pull the same way count as much as one."""
    groups = np.repeat(np.arange(50), 2)
    changes = {"units": 50, "unit": "group", "records_per_unit": 2}
    together = linear()
    engine = engine_on(together, groups=groups, **changes)
    step(engine, torch.tensor([[30.0, 0, 0], [30.0, 0, 0], [0, 0.3, 0], [0, 0.3, 0]]))
    assert moved(together) == pytest.approx(np.array([1.0, 0.6, 0]) / 10, abs=1e-5)


def test_absent_records_of_a_small_group_add_nothing():
    groups = np.repeat(np.arange(50), 2)
    network = linear()
    engine = engine_on(network, groups=groups, units=50, unit="group", records_per_unit=2)
    rows = torch.tensor([[0.5, 0, 0], [7.0, 7.0, 7.0]])
    engine.step(
        SampledUnits(rows=np.array([4, ABSENT_ROW]), canaries=np.arange(0)), (rows,), output
    )
    assert moved(network) == pytest.approx(np.array([0.5, 0, 0]) / 10, abs=1e-5)


def test_a_plan_for_groups_needs_groups():
    with pytest.raises(PlanError, match="no record has a group"):
        engine_on(linear(), units=50, unit="group", records_per_unit=2)


def test_every_release_is_on_the_lattice():
    network = linear(500)
    engine = engine_on(network, noise_multiplier=1.0)
    step(engine, torch.randn(7, 500))
    points = moved(network).astype(np.float64) * 10 / engine.lattice.spacing
    assert np.abs(points - np.rint(points)).max() < 0.02  # float32 weights round once more
    assert len(np.unique(np.rint(points))) > 400


def test_a_seed_for_the_noise_warns_and_repeats_it():
    draws = []
    for _ in range(2):
        network = linear(8)
        with pytest.warns(UnsafeWarning, match="tests only"):
            engine = engine_on(
                network, noise_multiplier=1.0, settings=Settings(unsafe_seeded_noise=7)
            )
        step(engine, torch.zeros(1, 8))
        draws.append(moved(network))
    assert np.array_equal(*draws)


def test_canaries_hear_the_run_and_leave_the_network_alone():
    plain, accompanied = linear(), linear()
    rows = torch.tensor([[0.5, 0, 0]])
    canaries = Canaries(400)
    listening = engine_on(accompanied, settings=Settings(canaries=canaries))
    step(engine_on(plain), rows)
    drawn = canaries.numbers[:3]
    listening.step(SampledUnits(rows=np.arange(1), canaries=drawn), (rows,), output)
    assert moved(plain) == pytest.approx(moved(accompanied), abs=1e-5)
    assert canaries.scores[drawn] == pytest.approx(np.ones(3), abs=1e-3)
    assert np.abs(np.delete(canaries.scores, drawn)).max() < 1e-3
    assert not canaries.table.weight.any()


def test_a_rehearsal_costs_nothing_and_changes_nothing():
    network = linear()
    engine = engine_on(network)
    draw = SampledUnits(rows=np.arange(2), canaries=np.arange(0))
    assert engine.rehearse(draw, (torch.ones(2, 3),), output)
    assert not engine.rehearse(draw, (torch.full((2, 3), torch.nan),), output)
    assert engine.steps_run == 0
    assert not network.weight.any()
    assert network.weight.grad is None


def test_steps_of_an_interrupted_run_are_counted():
    network = linear()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    engine = PrivateEngine(network, plan(noise_multiplier=1.0), optimizer, steps_before=20)
    step(engine, torch.zeros(1, 3))
    assert engine.events()[0].count == 21


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sampling": "shuffled"}, "only poisson"),
        ({"neighbours": "replace_one"}, "only zero_out_one"),
        ({"unit": "person"}, "record or group"),
        ({"records_per_unit": 3}, "choose 1 for a record"),
        ({"delta": 0.01}, "below 1/n"),
        ({"expected_batch_size": 101}, "does not fit"),
    ],
)
def test_a_plan_that_is_not_accounted_for_is_refused(changes, says):
    with pytest.raises(PlanError, match=says):
        plan(**changes)


def rehearsed(network, loss=output):
    engine = engine_on(network)
    draw = SampledUnits(rows=np.arange(4), canaries=np.arange(0))
    return engine.rehearse(draw, (torch.rand(4, 3),), loss)


def test_rows_that_move_each_other_are_found_in_rehearsal():
    def mixed(network, rows):
        return network(rows - rows.mean(dim=0)).squeeze(1)

    network = linear()
    nn.init.ones_(network.weight)
    assert rehearsed(network)
    with pytest.raises(PlanError, match="depends on other rows"):
        rehearsed(network, mixed)
    with pytest.raises(PlanError, match="one loss a row"):
        rehearsed(linear(), lambda network, rows: network(rows).sum())


def test_a_network_that_remembers_rows_is_found_in_rehearsal():
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    network.register_buffer("seen", torch.zeros(3))

    def remembering(inner, rows):
        network.seen.add_(rows.detach().sum(dim=0))
        return inner(rows).squeeze(1)

    with pytest.raises(PlanError, match="keeps something of the rows"):
        rehearsed(network, remembering)


def test_statistics_of_records_are_refused():
    network = nn.Sequential(nn.InstanceNorm2d(3, affine=True, track_running_stats=True))
    with pytest.raises(PlanError, match="track_running_stats=False"):
        engine_on(network)


def test_several_processes_round_more_and_so_have_more_noise():
    alone = lattice(clipping_norm=1.0, noise_multiplier=1.0, dimensions=1000)
    many = lattice(clipping_norm=1.0, noise_multiplier=1.0, dimensions=1000, parts=16)
    assert many.spacing == alone.spacing / 16
    assert many.margin - ARITHMETIC_ALLOWANCE >= 16 * many.spacing * math.sqrt(1000)
    one, two = (
        engine_on(linear(1000), settings=Settings(processes=Processes(world=world))).lattice
        for world in (1, 2)
    )
    assert two.spacing == one.spacing / 2
