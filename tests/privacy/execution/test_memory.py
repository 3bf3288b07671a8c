"""A GPU whose memory ends, played by losses that raise torch's own error above so many rows."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from safegen.data.dataset import assemble
from safegen.errors import TrainingError
from safegen.pipeline.train.dry_run import rehearse
from safegen.pipeline.train.networks import throwaway
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.execution.memory import RowsAtATime, memory_named
from safegen.privacy.execution.processes import Processes
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sampling import SampledUnits
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.training.presets.registry import preset

MODES = ["book-keeping", "hooks", "functorch", "ghost", "ew"]
ROWS = 24


PASSES = ["forward", "backward"]


class Card:
    """Losses on a GPU that holds so many rows, in one of a step's two passes."""

    def __init__(self, holds, fails_in="forward"):
        self.holds = holds
        self.fails_in = fails_in
        self.sizes = []

    def __call__(self, network, rows):
        self.sizes.append(len(rows))
        (fuse,) = (layer for layer in network.modules() if isinstance(layer, Fuse))
        fuse.holds = self.holds if self.fails_in == "backward" else ROWS
        given = network(rows).squeeze(1)
        if self.fails_in == "forward" and len(rows) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return given


class Fuse(nn.Module):
    """The identity, whose backward pass runs out of memory above so many rows."""

    holds = ROWS

    def forward(self, rows):
        return _Fused.apply(rows, self.holds)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(context, rows, holds):
        context.holds = holds
        return rows.clone()

    @staticmethod
    def backward(context, slopes):
        if len(slopes) > context.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return slopes, None


def plan(**changes):
    fields = {
        "epsilon": 8.0,
        "delta": 1e-4,
        "units": 100,
        "expected_batch_size": ROWS,
        "steps": 50,
        "clipping_norm": 1.0,
        "noise_multiplier": 2.0,
    }
    return PrivacyPlan(**(fields | changes))


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 4), Fuse(), nn.SiLU(), nn.Linear(4, 1))


def engine_on(
    layers, *, mode="book-keeping", micro_batch=None, canaries=None, seed=None, **changes
):
    return PrivateEngine(
        layers,
        plan(**changes),
        torch.optim.SGD(layers.parameters(), lr=1.0),
        settings=Settings(
            execution=Execution(mode=mode, micro_batch=micro_batch),
            canaries=canaries,
            unsafe_seeded_noise=seed,
        ),
    )


def step_of(rows=ROWS, canaries=0):
    pictures = torch.randn(rows, 5, generator=torch.Generator().manual_seed(1))
    return SampledUnits(rows=np.arange(rows), canaries=np.arange(canaries)), (pictures,)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("holds", [12, 5, 1])
@pytest.mark.parametrize("fails_in", PASSES)
def test_the_sum_is_the_same_in_whatever_fits(mode, holds, fails_in):
    draw, parts = step_of()
    roomy, tight = engine_on(network(), mode=mode), engine_on(network(), mode=mode)
    expected = roomy.clipped_sums(draw, parts, Card(ROWS))
    found = tight.clipped_sums(draw, parts, Card(holds, fails_in))
    for one, other in zip(expected.values(), found.values(), strict=True):
        assert torch.allclose(one.double(), other.double(), atol=1e-6)


@pytest.mark.filterwarnings("ignore::safegen.privacy.mechanism.noise.UnsafeWarning")
@pytest.mark.filterwarnings("ignore:In CPU autocast")  # Opacus, of an embedding by functorch
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fails_in", PASSES)
def test_a_step_is_the_one_that_smaller_micro_batches_would_have_taken(mode, fails_in):
    """Noise is drawn once, and what a broken pass left behind is in no sum."""
    draw, parts = step_of(canaries=3)
    moved = []
    for micro_batch, holds in ((6, ROWS), (None, 6)):
        layers, canaries = network(), Canaries(10)
        engine = engine_on(layers, mode=mode, micro_batch=micro_batch, canaries=canaries, seed=7)
        for _ in range(2):
            engine.step(draw, parts, Card(holds, fails_in))
        assert engine.steps_run == canaries.steps_observed == 2
        moved.append([p.detach().clone() for p in layers.parameters()])
    for one, other in zip(*moved, strict=True):
        assert torch.equal(one, other)


def test_rows_stay_few_once_memory_has_ended():
    draw, parts = step_of()
    engine, card = engine_on(network()), Card(7)
    engine.step(draw, parts, card)
    assert card.sizes == [24, 12, 6, 6, 6, 6]
    engine.step(draw, parts, card)
    assert card.sizes[6:] == [6, 6, 6, 6]


def test_records_of_a_group_stay_together():
    draw, parts = step_of()
    changes = {"unit": "group", "records_per_unit": 4, "expected_batch_size": 6}
    groups = np.arange(400) // 4
    made = [
        PrivateEngine(
            layers,
            plan(**changes),
            torch.optim.SGD(layers.parameters(), lr=1.0),
            groups=groups,
        )
        for layers in (network(), network())
    ]
    roomy, tight = (
        engine.clipped_sums(draw, parts, Card(holds))
        for engine, holds in zip(made, (ROWS, 5), strict=True)
    )
    for one, other in zip(roomy.values(), tight.values(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_unit_that_does_not_fit_ends_the_run_and_gives_nothing_out():
    draw, parts = step_of()
    layers = network()
    before = [p.detach().clone() for p in layers.parameters()]
    engine = engine_on(layers)
    engine.overheard = pytest.fail
    with pytest.raises(TrainingError, match=r"not even hold one unit.*--device cpu.*--resume"):
        engine.step(draw, parts, Card(0))
    assert engine.steps_run == 0
    assert all(torch.equal(one, p) for one, p in zip(before, layers.parameters(), strict=True))


def test_what_a_broken_pass_held_is_let_go_before_the_next():
    broken = []

    def losses(layers, rows):
        gc.collect()
        assert not [reference for reference in broken if reference() is not None]
        made = layers(rows)
        if len(rows) > 6:
            broken.append(weakref.ref(made))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return made.squeeze(1)

    draw, parts = step_of()
    engine_on(network()).clipped_sums(draw, parts, losses)
    assert len(broken) == 2


def test_other_errors_are_not_tried_anew():
    rows = RowsAtATime(size=None)
    with pytest.raises(RuntimeError, match="something else"):
        rows.fitting(8, lambda: (_ for _ in ()).throw(RuntimeError("something else")), afresh=list)
    assert rows.size is None


def test_memory_that_ends_elsewhere_is_named():
    with (
        pytest.raises(TrainingError, match=r"memory ran out; free some of it.*and go on"),
        memory_named("and go on"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory",
        "CUDA error: cudaErrorStreamCaptureInvalidated",
    ],
)
def test_memory_that_ends_outside_torchs_allocator_is_named_too(text):
    with pytest.raises(TrainingError, match="memory ran out"), memory_named("and go on"):
        raise RuntimeError(text)


def test_another_error_stays_what_it_is():
    with pytest.raises(RuntimeError, match="illegal memory access"), memory_named("and go on"):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


# A run


@pytest.fixture
def training():
    """A run on few made-up records."""

    def make(family):
        data = assemble(
            np.random.default_rng(0).integers(0, 256, (40, 1, 28, 28), dtype=np.uint8),
            np.arange(40) % 2,
            ("a", "b"),
            name="made up",
            source="",
            licence="",
        )
        chosen = preset(family, data.card, 8.0, prior="none")
        made_plan = plan(units=40, expected_batch_size=20, steps=3, delta=1e-3)
        made = throwaway(made_plan, chosen.architecture, chosen.recipe, Settings())
        return made, PrivateRecords(data.images, data.labels), made_plan

    return make


def run(made, records, made_plan):
    return made.run(records, Releases(made_plan))


@pytest.fixture
def small_card(monkeypatch):
    """Makes every private network run out of memory above so many rows."""

    def install(training, holds):
        objective = training._objective
        losses = objective.losses

        def tight(layers, *parts):
            if len(parts[0]) > holds:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return losses(layers, *parts)

        monkeypatch.setattr(objective, "losses", tight)

    return install


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_a_run_goes_to_its_end_on_a_small_card(training, small_card, family):
    made, records, made_plan = training(family)
    small_card(made, 7)
    assert run(made, records, made_plan).events == made_plan.step_events(3)
    assert made.engine.rows_at_a_time.size <= 7


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_step_on_a_card_that_is_really_full():
    """Torch's allocator may take 224 MiB more, which a step of 4,096 rows does not fit into."""
    device, rows = torch.device("cuda"), 4_096
    layers = nn.Sequential(nn.Linear(4_096, 4_096), nn.SiLU(), nn.Linear(4_096, 1)).to(device)
    parts = (torch.randn(rows, 4_096, device=device),)
    draw = SampledUnits(rows=np.arange(rows), canaries=np.arange(0))
    whole, sums, sizes = torch.cuda.get_device_properties(device).total_memory, [], []
    for more in (whole, 224 * 2**20):
        torch.cuda.empty_cache()
        share = min(1.0, (torch.cuda.memory_reserved() + more) / whole)
        torch.cuda.set_per_process_memory_fraction(share)
        engine = PrivateEngine(
            layers,
            plan(units=10_000, expected_batch_size=rows, delta=1e-5),
            torch.optim.SGD(layers.parameters(), lr=1.0),
            settings=Settings(processes=Processes(device=device)),
        )
        try:
            made = engine.clipped_sums(draw, parts, lambda network, each: network(each).squeeze(1))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        sums.append({name: each.cpu() for name, each in made.items()})
        sizes.append(engine.rows_at_a_time.size)
        del made, engine
    assert sizes[1] < rows
    assert sizes[0] is None or sizes[0] > sizes[1]
    for one, other in zip(*(each.values() for each in sums), strict=True):
        assert torch.allclose(one.double(), other.double(), rtol=1e-3, atol=1e-3)


def test_a_rehearsal_finds_that_nothing_fits_before_anything_is_spent(training, small_card):
    made, _, made_plan = training("vae")
    small_card(made, 0)
    with pytest.raises(TrainingError, match="not even hold one unit"):
        rehearse(made, made_plan, (1, 28, 28))


def test_a_rehearsal_passes_in_micro_batches(training, small_card):
    made, _, made_plan = training("vae")
    small_card(made, 100)
    rehearse(made, made_plan, (1, 28, 28))
    assert made.engine.rows_at_a_time.size <= 100


def test_memory_that_ends_in_public_work_says_how_to_go_on(training, monkeypatch):
    made, records, made_plan = training("gan")

    def too_much(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made._objective, "work_publicly", too_much)
    with pytest.raises(
        TrainingError, match=r"memory ran out; .*--device cpu, and go on with --res"
    ):
        run(made, records, made_plan)
