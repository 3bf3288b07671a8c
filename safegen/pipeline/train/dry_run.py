"""A run before its records, with made-up ones: at no cost.

    1. The engine on the network that will train: can it be trained, does it clip, is its noise the
       plan's (`audit.network`)?
    2. From records to a step's clipped sum: does one unit move it by its own clipped gradient and
       by nothing else (`audit.steps`)?
    3. From records to what is released: does one unit move it by no more than is stated, and is its
       noise the plan's (`audit.releases`)?
    4. A whole run in miniature (`miniature`), whose mechanisms give out fixed values: does anything
       that it leaves depend on its records (`audit.noninterference`)?

Whatever cannot be trained, and whatever does not do what the plan says, shows here. A sound run is
refused less than once in 10,000 times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.audit import network, noninterference, releases, steps
from safegen.audit.made_up import KINDS, OTHER_UNITS, made_up
from safegen.audit.network import Rehearsal
from safegen.audit.releases import worst
from safegen.errors import PlanError
from safegen.privacy.clipping.bookkeeping import CHUNK_ROWS
from safegen.privacy.execution.memory import memory_named
from safegen.privacy.mechanism.outlet import Canned, Overheard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from safegen.audit.canaries import Comparison
    from safegen.audit.noninterference import Trace
    from safegen.pipeline.train.miniature import Miniature
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.mechanism.outlet import Output
    from safegen.privacy.mechanism.sealed import PrivateRecords
    from safegen.training.loop import Training

    Shape = tuple[int, ...]

MAX_UNITS = 16  # units; and rows beside them, however many a step has
BOUNDARY_UNITS = 4  # units to take out of many: one lies behind the first chunk's end
RADIUS_DIVISOR = 1e3  # what radii are divided by, so that every record of a release is clipped
UNSCALED_DATA = ("others", "white", "alone", "nobody")  # whose runs are compared as they are,
SCALED_DATA = ("others", "white", "noise")  # and loud
NOISY_RUNS = 2  # of a run in miniature with noise, which must not come again in the other
REFUSAL_P_VALUE = 1e-6  # a sound engine's p-value is below this once in a million


def rehearse(training: Training, plan: PrivacyPlan, shape: Shape) -> None:
    """Refuse a network or an engine that would break the plan; its weights are changed by this.

    Args:
        training: networks that are thrown away afterwards.
        plan: what will be granted.
        shape: the dimensions of a sample.

    Raises:
        PlanError: something is not as planned; the message names it.
        TrainingError: the GPU's memory does not hold it.
    """
    with memory_named("or a smaller --size or --batch; nothing was spent"):
        training.rehearse(shape)
        found = measure_training(training, plan, shape)
    _require(found, "the engine does not keep the plan on this network")


def rehearse_run(small: Miniature) -> None:
    """Refuse a run in which records have another way out than the mechanisms of the plan.

    Args:
        small: the run in miniature.

    Raises:
        PlanError: something is not as planned; the message names it.
        TrainingError: the GPU's memory does not hold it, or what ran cannot be certified.
    """
    with memory_named("or a smaller --size or --batch; nothing was spent"):
        _require(examined_run(small), "the run does not keep the plan")


def examined_run(small: Miniature) -> tuple[Comparison, ...]:
    """How a run does on made-up records: its steps, its releases, and what it leaves.

    Odd records are added to the same others; their runs must leave the same, and so must one in
    which nobody is left but the odd one. Steps see every kind of them, whole runs those by which
    most shows.
    """
    odd = {
        kind: made_up(kind, small.shape, classes=small.classes, grouped=small.grouped)
        for kind in KINDS
    }
    found = [steps.measure_step(small.training(), small.plan, each) for each in odd.values()]
    sealed = {kind: small.records(each) for kind, each in odd.items()}
    some = {
        "others": sealed["white"].without([OTHER_UNITS]),
        "white": sealed["white"],
        "noise": sealed["noise"],
        "alone": sealed["white"].without(range(OTHER_UNITS)),
        "nobody": sealed["white"].without(range(OTHER_UNITS + 1)),
    }
    quiet = _left(small, some, UNSCALED_DATA, fixed=True)
    loud = _left(small, some, SCALED_DATA, fixed=True, loudness=RADIUS_DIVISOR)
    # Secret draws are not fixed here: whatever a checkpoint keeps of them differs, too.
    secret = _left(small, some, ("others", "alone"), resumed=True)
    asked = {kind: outputs for kind, (_, outputs) in quiet.items()}
    reaches = [
        releases.reach(runs[kind][1], runs["others"][1])
        for runs, kind in ((quiet, "white"), (loud, "white"), (loud, "noise"))
    ]
    return (
        *(worst(each) for each in zip(*found, strict=True)),
        worst(reaches),
        releases.mixing(asked["white"], asked["others"], asked["alone"], asked["nobody"]),
        *releases.noise(_noisy(small, sealed["noise"]), small.plan),
        worst(
            noninterference.interference([trace for trace, _ in runs.values()])
            for runs in (quiet, loud, secret)
        ),
    )


def _left(
    small: Miniature,
    some: Mapping[str, PrivateRecords],
    kinds: tuple[str, ...],
    *,
    fixed: bool = False,
    resumed: bool = False,
    loudness: float = 1.0,
) -> dict[str, tuple[Trace, list[Output]]]:
    """What runs on some records left, and what their mechanisms were asked about."""
    left = {}
    for kind in kinds:
        canned = Canned()
        trace = small.left(
            some[kind], canned, digest=kind, loudness=loudness, fixed=fixed, resumed=resumed
        )
        left[kind] = trace, canned.outputs
    return left


def _noisy(small: Miniature, records: PrivateRecords) -> list[list[Output]]:
    """What mechanisms give out with their noise, in lives of their own."""
    runs = []
    for life in range(NOISY_RUNS):
        heard = Overheard()
        small.left(records, heard, digest=str(life))
        runs.append(heard.outputs)
    return runs


def _require(found: tuple[Comparison, ...], broken: str) -> None:
    for each in found:
        if not each.p_value >= REFUSAL_P_VALUE:
            raise PlanError(
                f"{broken}: {each.what} is {each.found:.4g} and should be {each.expected:.4g}; "
                "nothing was spent"
            )


def measure_training(training: Training, plan: PrivacyPlan, shape: Shape) -> tuple[Comparison, ...]:
    """How the engine does on a network: with few units, and with more than a chunk holds."""
    few = _rehearsal(training, plan, shape, MAX_UNITS)
    chunk = CHUNK_ROWS[training.device.type] // training.engine.rows_per_unit
    many = _rehearsal(training, plan, shape, chunk + 2)
    near, far = network.reach(few), network.reach(many, loudness=(100.0,), shown=BOUNDARY_UNITS)
    return max(near, far, key=lambda each: each.found), *network.noise(few)


def _rehearsal(training: Training, plan: PrivacyPlan, shape: Shape, units: int) -> Rehearsal:
    draw, parts = training.made_up(shape, units)
    return Rehearsal(
        engine=training.engine,
        draw=draw,
        parts=tuple(part[: len(draw.rows) + MAX_UNITS] for part in parts),
        losses=training.losses,
        records=training.engine.rows_per_unit,
        clipping_norm=plan.clipping_norm,
    )
