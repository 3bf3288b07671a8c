"""Poisson sampling of privacy units: who takes part in a step is drawn for each independently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import PlanError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.privacy.accounting.plan import PrivacyPlan

    Numbers = NDArray[np.int64]

ABSENT_ROW = -1  # a row of a unit that has fewer records than the plan allows


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledUnits:
    """Who takes part in one step.

    Attributes:
        rows: (units x records_per_unit,), int64, record numbers, a unit's beside each other;
            ABSENT_ROW where a unit has no more records.
        canaries: (drawn,), int64, numbers of the canaries that take part.
    """

    rows: Numbers
    canaries: Numbers


class PoissonSampler:
    """Draws steps for one plan."""

    def __init__(
        self,
        plan: PrivacyPlan,
        groups: Numbers | None = None,
        *,
        generator: np.random.Generator,
        canaries: Numbers | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """Prepare to draw.

        Args:
            plan: its sampling probability holds for every unit.
            groups: (records,), int64, the unit of each record; None when records are units.
            generator: secret, because whoever could repeat the sampling would gain by it.
            canaries: numbers of inserted canaries that may take part.
            share: (rank, world): only units whose number is rank modulo world are drawn here, so
                that several processes together draw each unit once.

        Raises:
            PlanError: the groups are not those of the plan.
        """
        self._plan = plan
        self._generator = generator
        rank, world = share
        self._mine = np.arange(rank, plan.units, world)
        every = np.zeros(0, dtype=np.int64) if canaries is None else canaries
        self._canaries = every[every % world == rank]
        self._order: Numbers | None = None
        if groups is not None:
            sizes = np.bincount(groups, minlength=plan.units)
            if len(sizes) != plan.units or not sizes.all():
                raise PlanError(
                    f"the plan is for {plan.units} groups and the records have "
                    f"{int((sizes > 0).sum())}; plan again for these records"
                )
            self._order = np.argsort(groups, kind="stable")
            self._sizes = sizes
            self._starts = np.cumsum(sizes) - sizes
        elif plan.unit != "record":
            raise PlanError("the plan's unit is a group, and no record has a group")

    def fix(self, seed: int) -> None:
        """Draw from a seed from now on: for rehearsals alone, on made-up records."""
        self._generator = np.random.default_rng(seed)

    @property
    def units(self) -> int:
        """How many units are drawn from here."""
        return len(self._mine)

    def draw(self) -> SampledUnits:
        """Draw a step: every unit, and every canary, independently with the plan's probability."""
        probability = self._plan.sampling_probability
        units = self._mine[self._generator.random(len(self._mine)) < probability]
        chosen = self._generator.random(len(self._canaries)) < probability
        rows = units if self._order is None else self._records_of(units, self._order)
        return SampledUnits(rows=rows, canaries=self._canaries[chosen])

    def _records_of(self, units: Numbers, order: Numbers) -> Numbers:
        """At most `records_per_unit` records of each unit, drawn anew in every step."""
        sizes, most = self._sizes[units], self._plan.records_per_unit
        unit = np.repeat(np.arange(len(units)), sizes)
        within = np.arange(len(unit)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        records = order[np.repeat(self._starts[units], sizes) + within]
        shuffled = np.lexsort((self._generator.random(len(unit)), unit))
        kept = within < most
        rows = np.full((len(units), most), ABSENT_ROW, dtype=np.int64)
        rows[unit[kept], within[kept]] = records[shuffled][kept]
        return rows.ravel()
