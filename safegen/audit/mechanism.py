"""Does the engine that is installed here do what a plan says? Measured, not read from the code.

Small networks with known gradients go through the real engine, and what comes out is compared with
what the plan promises. Every comparison is a test with a p-value, so that one which fails says how
sure it is; a sound engine fails each once in a thousand times.

A probe is a linear layer from d inputs to one number with weights at zero: the gradient of a row's
output is the row itself, and after a step of size 1 the weights are minus the noisy sum over the
divisor.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from safegen.audit.canaries import Comparison
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.sampling import SampledUnits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

PROBE_UNITS, PROBE_BATCH_UNITS, PROBE_GROUP_RECORDS = 200, 20, 4
PROBE_DIMENSIONS = 4000  # dimensions of a probe: as many draws of noise a step
LARGE_GRADIENT_NORMS = 1000.0  # a row's norm, in clipping norms
LOW_NOISE_MULTIPLIER = 0.05  # noise multiplier where a sum is measured, whatever the plan's is
LOW_NOISE_STEPS = 12  # steps for that
MULTI_CHUNK_UNITS = 700  # units in a step, more than a chunk of the engine holds
SAMPLING_STEPS = 400  # steps whose sampling is looked at


def measure_engine(plan: PrivacyPlan, settings: Settings | None = None) -> tuple[Comparison, ...]:
    """Compare the engine with a plan.

    Args:
        plan: its noise multiplier, clipping norm and unit are examined; its batch and its number
            of units are replaced by small ones, and its noise by little where a sum is measured.
        settings: how the plan is carried out; canaries in it are ignored.
    """
    probe = _Probe(plan, settings or Settings())
    found = [
        *probe.noise(),
        probe.clipping(),
        probe.beside(),
        probe.divisor(),
        *probe.sampling(),
        probe.count(),
    ]
    if plan.unit == "group":
        found.append(probe.group())
    return tuple(found)


class _Probe:
    """Small engines under one plan's noise and clipping."""

    def __init__(self, plan: PrivacyPlan, settings: Settings) -> None:
        self._plan = plan
        self._settings = Settings(
            execution=settings.execution,
            processes=settings.processes,
            unsafe_seeded_noise=settings.unsafe_seeded_noise,
        )
        self._by_group = plan.unit == "group"
        self._records = plan.records_per_unit

    def noise(self) -> tuple[Comparison, Comparison]:
        """An empty step releases noise alone: its distribution and its variance."""
        draws = np.concatenate(
            [self._released(PROBE_DIMENSIONS, np.zeros((0, PROBE_DIMENSIONS))) for _ in range(5)]
        )
        deviation = self._deviation(PROBE_DIMENSIONS)
        freedom = len(draws)
        ratio = float((draws**2).sum()) / deviation**2
        tail = min(stats.chi2.cdf(ratio, freedom), stats.chi2.sf(ratio, freedom))
        distance = stats.kstest(draws / deviation, "norm")
        return (
            Comparison(
                what="the noise's standard deviation in clipping norms",
                found=math.sqrt(ratio / freedom) * deviation,
                expected=deviation,
                p_value=float(2 * tail),
            ),
            Comparison(
                what="the noise's distance from a Gaussian (Kolmogorov-Smirnov)",
                found=float(distance.statistic),
                expected=0.0,
                p_value=float(distance.pvalue),
            ),
        )

    def clipping(self) -> Comparison:
        """However loud a record is, it adds one clipping norm."""
        row = np.zeros((self._records, PROBE_DIMENSIONS))
        row[0, 0] = LARGE_GRADIENT_NORMS
        return self._mean("what a loud record adds, in clipping norms", row, expected=1.0)

    def group(self) -> Comparison:
        """However many records of a group take part, together they add one clipping norm."""
        rows = np.zeros((self._records, PROBE_DIMENSIONS))
        rows[:, 0] = LARGE_GRADIENT_NORMS
        return self._mean("what a loud group adds, in clipping norms", rows, expected=1.0)

    def beside(self) -> Comparison:
        """Loud public rows leave what a record adds as it is."""
        rows = np.zeros((self._records + 6, PROBE_DIMENSIONS))
        rows[0, 0] = 0.9
        rows[self._records :, 1] = LARGE_GRADIENT_NORMS
        what = "what a record adds beside loud public rows, in clipping norms"
        return self._mean(what, rows, expected=0.9, beside=6)

    def divisor(self) -> Comparison:
        """Many units, each somewhat too loud, add one norm each over a divisor that is constant."""
        many = np.zeros((MULTI_CHUNK_UNITS * self._records, PROBE_DIMENSIONS))
        many[:: self._records, 0] = 2.0
        what = "what each of many drawn units adds, in clipping norms"
        return self._mean(what, many, expected=1.0, over=MULTI_CHUNK_UNITS)

    def sampling(self) -> tuple[Comparison, Comparison]:
        """Units enter independently: how many there are in a step, and who is there together."""
        engine = self._engine(2)
        member = np.zeros((SAMPLING_STEPS, PROBE_UNITS), dtype=bool)
        for step in member:
            rows = engine.draw().rows
            rows = rows[rows >= 0]
            step[rows // PROBE_GROUP_RECORDS if self._by_group else rows] = True
        probability = PROBE_BATCH_UNITS / PROBE_UNITS
        sizes = member.sum(axis=1)
        ratio = float(((sizes - PROBE_BATCH_UNITS) ** 2).sum()) / (
            PROBE_UNITS * probability * (1 - probability)
        )
        tail = min(stats.chi2.cdf(ratio, SAMPLING_STEPS), stats.chi2.sf(ratio, SAMPLING_STEPS))
        turns = member.sum(axis=0)
        spread = float(((turns - SAMPLING_STEPS * probability) ** 2).sum()) / (
            SAMPLING_STEPS * probability * (1 - probability)
        )
        apart = min(stats.chi2.cdf(spread, PROBE_UNITS), stats.chi2.sf(spread, PROBE_UNITS))
        return (
            Comparison(
                what="the variance of how many units a step draws",
                found=ratio / SAMPLING_STEPS * PROBE_UNITS * probability * (1 - probability),
                expected=PROBE_UNITS * probability * (1 - probability),
                p_value=float(2 * tail),
            ),
            Comparison(
                what="the variance of how often a unit is drawn",
                found=spread / PROBE_UNITS * SAMPLING_STEPS * probability * (1 - probability),
                expected=SAMPLING_STEPS * probability * (1 - probability),
                p_value=float(2 * apart),
            ),
        )

    def count(self) -> Comparison:
        """Every change of the weights is a step, and every step is an event."""
        network = _linear(8)
        engine = self._engine(8, network)
        changes = 0
        for step in range(24):
            before = network.weight.detach().clone()
            rows = np.zeros((step % 3 * self._records, 8))
            _step(engine, rows, len(rows))
            changes += int(not torch.equal(before, network.weight))
        counted = sum(event.count for event in engine.events())
        return Comparison(
            what="steps that were counted",
            found=float(counted),
            expected=float(changes),
            p_value=float(counted == changes),
        )

    def _mean(
        self, what: str, rows: Vector, *, expected: float, beside: int = 0, over: int = 1
    ) -> Comparison:
        """What rows add to the first number of the sum, over many steps; a z-test."""
        quiet = _Probe(
            dataclasses.replace(self._plan, noise_multiplier=LOW_NOISE_MULTIPLIER), self._settings
        )
        found = np.array(
            [quiet._released(64, rows[:, :64], beside)[0] / over for _ in range(LOW_NOISE_STEPS)]
        )
        error = quiet._deviation(64) / over / math.sqrt(LOW_NOISE_STEPS)
        z = abs(found.mean() - expected) / error
        return Comparison(
            what=what,
            found=float(found.mean()),
            expected=expected,
            p_value=float(2 * stats.norm.sf(z)),
        )

    def _released(self, width: int, rows: Vector, beside: int = 0) -> Vector:
        """The noisy sum of one step in clipping norms; rows are in clipping norms, too."""
        network = _linear(width)
        engine = self._engine(width, network, beside)
        _step(engine, rows * self._plan.clipping_norm, len(rows) - beside)
        moved = -network.weight.detach().numpy().ravel().astype(np.float64)
        return np.asarray(moved * (PROBE_BATCH_UNITS + beside) / self._plan.clipping_norm)

    def _deviation(self, width: int) -> float:
        """Of the planned noise on a probe, in clipping norms."""
        return self._plan.noise_multiplier * (1 + self._engine(width).lattice.margin)

    def _engine(
        self, width: int, network: nn.Linear | None = None, beside: int = 0
    ) -> PrivateEngine:
        network = _linear(width) if network is None else network
        plan = PrivacyPlan(
            epsilon=self._plan.epsilon,
            delta=1e-4,
            units=PROBE_UNITS,
            expected_batch_size=PROBE_BATCH_UNITS,
            steps=SAMPLING_STEPS,
            clipping_norm=self._plan.clipping_norm,
            noise_multiplier=self._plan.noise_multiplier,
            unit=self._plan.unit,
            records_per_unit=self._records,
        )
        groups = np.repeat(np.arange(PROBE_UNITS), PROBE_GROUP_RECORDS) if self._by_group else None
        optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
        return PrivateEngine(
            network, plan, optimizer, rows_beside=beside, groups=groups, settings=self._settings
        )


def _linear(width: int) -> nn.Linear:
    layer = nn.Linear(width, 1, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def _step(engine: PrivateEngine, rows: Vector, drawn: int) -> None:
    draw = SampledUnits(rows=np.arange(drawn), canaries=np.arange(0))
    engine.step(draw, (torch.from_numpy(rows).float(),), _output)


def _output(network: nn.Module, *parts: Tensor) -> Tensor:
    made: Tensor = network(*parts)
    return made.squeeze(1)
