"""Does the engine keep its promise on the very network that is going to train?

Made-up rows go through it before any record does. Two things are looked at:

    reach   however loud its losses are, taking one unit out moves the sum of clipped gradients by
            at most the clipping norm and the margin: in every layer, chunk and micro-batch.
    noise   what a step gives out, less the sum that went in, is Gaussian with the planned
            deviation in every parameter, and no part of it comes again (`repetition`): not in the
            same step, not in another one, not in another layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import stats

from safegen.audit.canaries import Comparison
from safegen.audit.repetition import repetitions
from safegen.privacy.mechanism.sampling import SampledUnits

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from safegen.privacy.mechanism.engine import Losses, PrivateEngine

    Vector = NDArray[np.float64]

LOSS_SCALES = (1.0, 10.0, 100.0, 1e4)  # times the network's own losses
REHEARSAL_STEPS = 6
MAX_MEASURED_UNITS = 16  # units whose reach is measured, at most, unless the caller says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A step with made-up rows.

    Attributes:
        engine: under the plan; its network's weights will change.
        draw: who takes part: the first rows of the parts, a unit's beside each other.
        parts: what the losses are computed from.
        losses: each row's.
        records: rows of one unit.
        clipping_norm: the plan's.
    """

    engine: PrivateEngine
    draw: SampledUnits
    parts: tuple[Tensor, ...]
    losses: Losses
    records: int
    clipping_norm: float


def reach(
    rehearsal: Rehearsal, loudness: tuple[float, ...] = LOSS_SCALES, shown: int = MAX_MEASURED_UNITS
) -> Comparison:
    """The furthest that taking out one unit moves the sum, in clipping norms.

    Args:
        rehearsal: a step with made-up rows.
        loudness: by what its losses are multiplied, one after the other.
        shown: units that are taken out, at most; the first and the last are among them.
    """
    units = len(rehearsal.draw.rows) // rehearsal.records
    asked = np.unique(np.linspace(0, units - 1, min(units, shown // len(loudness))).astype(int))
    furthest = 0.0
    for factor in loudness:
        whole = _sum(rehearsal, factor)
        for unit in asked:
            moved = float((whole - _sum(rehearsal, factor, without=int(unit))).norm())
            furthest = float(np.maximum(furthest, moved / rehearsal.clipping_norm))  # keeps a NaN
    most = 1 + rehearsal.engine.lattice.margin
    return Comparison(
        what="how far one unit moves the network's sum, in clipping norms",
        found=furthest,
        expected=1.0,
        p_value=float(furthest <= most),
    )


def noise(rehearsal: Rehearsal) -> tuple[Comparison, ...]:
    """What steps add to their sums, parameter by parameter and step by step."""
    residues = [_residue(rehearsal) for _ in range(REHEARSAL_STEPS)]
    deviation = rehearsal.engine.lattice.deviation
    whole = np.concatenate([part for step in residues for part in step]) / deviation
    return (_by_parameter(residues, deviation), _gaussian(whole), *repetitions(whole))


def _sum(rehearsal: Rehearsal, factor: float, without: int | None = None) -> Tensor:
    """The sum of clipped gradients as one vector, float64, of losses `factor` times as loud."""
    drawn, count = len(rehearsal.draw.rows), len(rehearsal.parts[0])
    kept = np.ones(count, dtype=bool)
    if without is not None:
        kept[without * rehearsal.records : (without + 1) * rehearsal.records] = False
    chosen = torch.from_numpy(np.flatnonzero(kept)).to(rehearsal.parts[0].device)
    parts = tuple(part[chosen] for part in rehearsal.parts)
    draw = SampledUnits(rows=rehearsal.draw.rows[kept[:drawn]], canaries=rehearsal.draw.canaries)

    def loud(network: nn.Module, *rows: Tensor) -> Tensor:
        return factor * rehearsal.losses(network, *rows)

    sums = rehearsal.engine.clipped_sums(draw, parts, loud)
    parameters = list(rehearsal.engine.network.parameters())
    return torch.cat([sums.get(p, torch.zeros_like(p)).double().flatten() for p in parameters])


def _residue(rehearsal: Rehearsal) -> list[Vector]:
    """What one step gave out less what went in, each parameter by itself."""
    engine = rehearsal.engine
    went_in = engine.clipped_sums(rehearsal.draw, rehearsal.parts, rehearsal.losses)
    came_out: dict[nn.Parameter, Tensor] = {}
    engine.overheard = came_out.update
    engine.step(rehearsal.draw, rehearsal.parts, rehearsal.losses)
    engine.overheard = None
    return [
        (noisy.double() - went_in.get(p, torch.zeros_like(p))).flatten().cpu().numpy()
        for p, noisy in came_out.items()
    ]


def _by_parameter(residues: list[list[Vector]], deviation: float) -> Comparison:
    """A chi-square test a parameter; the worst of them, times how many there are (Bonferroni)."""
    tails, ratios = [], []
    for steps in zip(*residues, strict=True):
        values = np.concatenate(steps) / deviation
        squares = float((values**2).sum())
        tails.append(
            2 * np.min((stats.chi2.cdf(squares, len(values)), stats.chi2.sf(squares, len(values))))
        )
        ratios.append(math.sqrt(squares / len(values)))
    worst = int(np.argmin(tails))  # or the first that is not a number
    return Comparison(
        what="the noise of the network's least likely parameter, over the planned deviation",
        found=ratios[worst],
        expected=1.0,
        p_value=float(np.minimum(1.0, tails[worst] * len(tails))),
    )


def _gaussian(values: Vector) -> Comparison:
    distance = stats.kstest(values, "norm")
    return Comparison(
        what="the network's noise's distance from a Gaussian (Kolmogorov-Smirnov)",
        found=float(distance.statistic),
        expected=0.0,
        p_value=float(distance.pvalue),
    )
