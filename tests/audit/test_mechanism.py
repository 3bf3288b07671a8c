"""An auditor is worth what it catches: every fault is planted into the running engine and found.

No test here looks for the patch: each looks at what the broken engine gives out.
"""

import numpy as np
import pytest
import torch

from safegen.audit.mechanism import measure_engine
from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.clipping.bookkeeping import BookKeeping
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.lattice import Lattice
from safegen.privacy.mechanism.opacus_bridge import NoisyOptimizer
from safegen.privacy.mechanism.sampling import PoissonSampler, SampledUnits


def plan(**changes):
    fields = {
        "epsilon": 8.0,
        "delta": 1e-5,
        "units": 10_000,
        "expected_batch_size": 500,
        "steps": 100,
        "clipping_norm": 0.7,
        "noise_multiplier": 1.3,
    }
    return PrivacyPlan(**(fields | changes))


BY_GROUP = {"unit": "group", "records_per_unit": 3}


def doubted(made_plan, settings=None):
    """What the examination finds wrong; a chance finding in a sound engine does not repeat."""
    first = {each.what for each in measure_engine(made_plan, settings) if not each.sound}
    if not first:
        return first
    return first & {each.what for each in measure_engine(made_plan, settings) if not each.sound}


@pytest.mark.parametrize("changes", [{}, BY_GROUP, {"noise_multiplier": 0.4}])
@pytest.mark.parametrize("mode", ["book-keeping", "hooks"])
def test_a_sound_engine_passes(changes, mode):
    assert not doubted(plan(**changes), Settings(execution=Execution(mode=mode)))


def noise_off(patch):
    patch.setattr(Lattice, "noise", lambda _, count, __: np.zeros(count, dtype=int))


def noise_halved(patch):
    whole = Lattice.noise
    patch.setattr(Lattice, "noise", lambda *arguments: whole(*arguments) // 2)


def noise_not_gaussian(patch):
    def uniform(self, count, generator):
        wide = self.deviation / self.spacing * 3**0.5
        return np.rint(generator.uniform(-wide, wide, count)).astype(int)

    patch.setattr(Lattice, "noise", uniform)


def clipping_off(patch):
    clipped = BookKeeping.clipped_sum
    patch.setattr(
        BookKeeping,
        "clipped_sum",
        lambda self, losses, _, **layout: clipped(self, losses, 1e9, **layout),
    )


def shuffled(patch):
    def draw(self):
        order = getattr(self, "_deck", np.zeros(0, dtype=int))
        if not len(order):
            order = self._generator.permutation(self._plan.units)
        batch = self._plan.expected_batch_size
        self._deck = order[batch:]
        units = order[:batch]
        rows = units if self._order is None else self._records_of(units, self._order)
        return SampledUnits(rows=rows, canaries=np.arange(0))

    patch.setattr(PoissonSampler, "draw", draw)


def always_the_same_units(patch):
    """As many as by coins, and each time the first ones."""
    by_coins = PoissonSampler.draw

    def draw(self):
        fair = by_coins(self)
        count = len(fair.rows) // self._plan.records_per_unit
        units = np.arange(count)
        rows = units if self._order is None else self._records_of(units, self._order)
        return SampledUnits(rows=rows, canaries=fair.canaries)

    patch.setattr(PoissonSampler, "draw", draw)


def in_fixed_numbers(patch):
    """As many in every step, drawn without replacement: the variance that coins have is missing."""

    def draw(self):
        units = self._generator.permutation(self._plan.units)[: self._plan.expected_batch_size]
        rows = units if self._order is None else self._records_of(units, self._order)
        return SampledUnits(rows=rows, canaries=np.arange(0))

    patch.setattr(PoissonSampler, "draw", draw)


def a_step_not_counted(patch):
    count = PrivateEngine._count
    calls = []

    def forgetful(self, optimizer):
        calls.append(None)
        if len(calls) % 10:
            count(self, optimizer)

    patch.setattr(PrivateEngine, "_count", forgetful)


def clipped_together(patch):
    """The batch's whole gradient is scaled, as if it were one row after another."""
    clipped = BookKeeping.clipped_sum

    def together(self, losses, norm, **layout):
        whole = clipped(self, losses, 1e9, **layout)
        size = torch.cat([summed.flatten() for summed in whole.values()]).norm()
        factor = (norm * len(losses) / size).clamp(max=1)
        return {parameter: summed * factor for parameter, summed in whole.items()}

    patch.setattr(BookKeeping, "clipped_sum", together)


def divided_by_the_drawn_batch(patch):
    sums = PrivateEngine.clipped_sums

    def remember(self, draw, parts, losses):
        self._optimizer.drawn = max(len(parts[0]), 1)
        return sums(self, draw, parts, losses)

    def by_drawn(self):
        for parameter in self.params:
            parameter.grad /= self.drawn

    patch.setattr(PrivateEngine, "clipped_sums", remember)
    patch.setattr(NoisyOptimizer, "scale_grad", by_drawn)


def a_group_clipped_by_record(patch):
    clipped = BookKeeping.clipped_sum
    patch.setattr(
        BookKeeping,
        "clipped_sum",
        lambda self, losses, norm, *, rows, **_: clipped(self, losses, norm, rows=rows, records=1),
    )


FAULTS = [
    (noise_off, {}, "noise's standard deviation"),
    (noise_halved, {}, "noise's standard deviation"),
    (noise_not_gaussian, {}, "distance from a Gaussian"),
    (clipping_off, {}, "loud record"),
    (shuffled, {}, "variance"),
    (shuffled, BY_GROUP, "variance"),
    (in_fixed_numbers, {}, "variance of how many units a step draws"),
    (always_the_same_units, {}, "variance of how often a unit is drawn"),
    (always_the_same_units, BY_GROUP, "variance of how often a unit is drawn"),
    (a_step_not_counted, {}, "counted"),
    (clipped_together, {}, "beside loud public rows"),
    (divided_by_the_drawn_batch, {}, "many drawn units"),
    (a_group_clipped_by_record, BY_GROUP, "loud group"),
]


@pytest.mark.parametrize(("plant", "changes", "names"), FAULTS)
def test_a_planted_fault_is_reported(monkeypatch, plant, changes, names):
    plant(monkeypatch)
    found = doubted(plan(**changes))
    assert any(names in what for what in found), found


def test_no_check_is_without_a_fault_that_it_reports():
    checks = {each.what for changes in ({}, BY_GROUP) for each in measure_engine(plan(**changes))}
    assert all(any(names in what for _, _, names in FAULTS) for what in checks), checks


@pytest.mark.parametrize(
    ("plant", "changes", "names"), [fault for fault in FAULTS if fault[2] != "variance"]
)
def test_a_fault_is_beyond_doubt(monkeypatch, plant, changes, names):
    """Not only doubted: no sound engine in a million looks like this."""
    plant(monkeypatch)
    (p_value,) = (each.p_value for each in measure_engine(plan(**changes)) if names in each.what)
    assert p_value < 1e-6
