"""A run before its records: the engine on the network that will train, with made-up rows.

Whatever cannot be trained, and whatever does not do what the plan says, shows here at no cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.audit import network
from safegen.audit.network import Rehearsal
from safegen.errors import PlanError
from safegen.privacy.bookkeeping import CHUNK_ROWS
from safegen.privacy.memory import memory_named

if TYPE_CHECKING:
    from safegen.audit.canaries import Comparison
    from safegen.privacy.plan import PrivacyPlan
    from safegen.training.loop import Training

    Shape = tuple[int, int, int]

FEW = 16  # units; and rows beside them, however many a step has
BORDERS = 4  # units to take out of many: one lies behind the first chunk's end
SURE = 1e-6  # a sound engine's p-value is below this once in a million


def rehearse(training: Training, plan: PrivacyPlan, shape: Shape) -> None:
    """Refuse a network or an engine that would break the plan; its weights are changed by this.

    Args:
        training: networks that are thrown away afterwards.
        plan: what will be granted.
        shape: channels, height, width.

    Raises:
        PlanError: something is not as planned; the message names it.
        TrainingError: the GPU's memory does not hold it.
    """
    with memory_named("or a smaller --size or --batch; nothing was spent"):
        training.rehearse(shape)
        found = examined(training, plan, shape)
    for each in found:
        if each.p_value < SURE:
            raise PlanError(
                f"the engine does not keep the plan on this network: {each.what} is "
                f"{each.found:.4g} and should be {each.expected:.4g}; nothing was spent"
            )


def examined(training: Training, plan: PrivacyPlan, shape: Shape) -> tuple[Comparison, ...]:
    """How the engine does on a network: with few units, and with more than a chunk holds."""
    few = _rehearsal(training, plan, shape, FEW)
    chunk = CHUNK_ROWS[training.device.type] // training.engine.rows_per_unit
    many = _rehearsal(training, plan, shape, chunk + 2)
    near, far = network.reach(few), network.reach(many, loudness=(100.0,), shown=BORDERS)
    return max(near, far, key=lambda each: each.found), *network.noise(few)


def _rehearsal(training: Training, plan: PrivacyPlan, shape: Shape, units: int) -> Rehearsal:
    draw, parts = training.made_up(shape, units)
    return Rehearsal(
        engine=training.engine,
        draw=draw,
        parts=tuple(part[: len(draw.rows) + FEW] for part in parts),
        losses=training.losses,
        records=training.engine.rows_per_unit,
        clipping_norm=plan.clipping_norm,
    )
