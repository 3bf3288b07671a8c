"""What a caller decides about a run, and the plan that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from safegen.errors import PlanError
from safegen.privacy.accounting.plan import DEFAULT_CANARIES, PrivacyPlan, plan_within
from safegen.schemas.config import Family, WarmStart
from safegen.schemas.receipt import LARGEST_SEED
from safegen.training.recipe import Preset, preset

if TYPE_CHECKING:
    from safegen.schemas.card import DataCard

RECORDS_PER_GROUP = 4  # in a step at most, when units are groups
MOST_PER_GROUP = 1000  # a step holds as many rows for each group that it draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a caller decides about a run, apart from places.

    Attributes:
        epsilon: the most that the run may cost.
        delta: below 1/n; 1 / (n ln n) by default.
        model: the family.
        steps: private steps; the preset's by default.
        batch: expected units in a step; the preset's by default.
        noise_multiplier: sought for `epsilon` by default; when given, training stops at the step
            that the budget no longer pays for.
        records_per_group: records of a group in a step at most, when units are groups; 4 by
            default.
        seed: of first weights; noise and sampling have none.
        canaries: made-up units for the lower bound; 0 for none, and no bound.
        prior: what first weights are learnt from: the name of pictures drawn by code, or of a
            public data set; `none` for nothing, `auto` for the preset's.
        warm_start: `moments`, to learn from one-shot releases before the steps; `none`, or `auto`
            for the preset's.
        unsafe_seeded_noise: a seed for the noise; voids the guarantee, for tests only.
    """

    epsilon: float = 8.0
    delta: float | None = None
    model: Family = "vae"
    steps: int | None = None
    batch: int | None = None
    noise_multiplier: float | None = None
    records_per_group: int | None = None
    seed: int = 0
    canaries: int = DEFAULT_CANARIES
    prior: str = "auto"
    warm_start: WarmStart = "auto"
    unsafe_seeded_noise: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise PlanError(f"the seed is {self.seed}; choose a whole number from 0 to 2^53 - 1")
        if self.warm_start not in get_args(WarmStart):
            raise PlanError(f"no warm start {self.warm_start!r}; choose auto, moments or none")
        if self.canaries and not 100 <= self.canaries <= 100_000:
            raise PlanError(
                f"{self.canaries} canaries prove nothing, or cost too much; choose 0 for none, or "
                "100 to 100,000"
            )


def preset_for(wishes: Wishes, card: DataCard) -> Preset:
    """The preset that the wishes and the data set's public card ask for."""
    return preset(
        wishes.model, card, wishes.epsilon, prior=wishes.prior, warm_start=wishes.warm_start
    )


def plan_for(wishes: Wishes, chosen: Preset, card: DataCard, *, rough: bool = False) -> PrivacyPlan:
    """The plan of a run: the preset's where nothing else is wished.

    Args:
        wishes: what the caller decides.
        chosen: the preset.
        card: the data set's.
        rough: to see in a fraction of the time what the plan would be like, not to run it.

    Raises:
        PlanError: no mechanism can honour it.
    """
    return plan_within(
        epsilon=wishes.epsilon,
        delta=wishes.delta,
        units=card.units,
        expected_batch_size=chosen.expected_batch_size if wishes.batch is None else wishes.batch,
        steps=chosen.steps if wishes.steps is None else wishes.steps,
        clipping_norm=chosen.clipping_norm,
        noise_multiplier=wishes.noise_multiplier,
        shares=chosen.shares,
        unit=card.unit,
        records_per_unit=_records_per_group(wishes, card),
        rough=rough,
    )


def _records_per_group(wishes: Wishes, card: DataCard) -> int:
    """As many as wished; never what the groups themselves tell, whose sizes are private."""
    if card.unit == "record":
        if wishes.records_per_group is not None:
            raise PlanError(
                "records_per_group was given and no groups; say who belongs together with --groups"
            )
        return 1
    wished = RECORDS_PER_GROUP if wishes.records_per_group is None else wishes.records_per_group
    if wished > MOST_PER_GROUP:
        raise PlanError(
            f"{wished} records of a group cannot take part in a step; choose 1 to {MOST_PER_GROUP}"
        )
    return wished
