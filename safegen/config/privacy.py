"""What a run promises, before a data set is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from safegen.arguments import require_types
from safegen.errors import PlanError
from safegen.option import NoOption
from safegen.privacy.accounting.ranges import MIN_DELTA, NOISE_RANGE

RECORDS_PER_GROUP = 4  # in a step at most, when units are groups
MAX_RECORDS_PER_GROUP = 1000  # a step holds as many rows for each group that it draws
CANARIES_RANGE = (100, 100_000)  # fewer prove nothing; more cost too much


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyConfig:
    """What a run promises.

    Attributes:
        epsilon: the most that the run may cost.
        delta: chance that the promise fails; below 1/n. By default 1/(n ln n), and 0.001 at most.
        noise_multiplier: of each step; sought by default. When given, training stops at the step
            that epsilon no longer pays for.
        records_per_group: records of a group in a step, at most; 4 by default.
        canaries: made-up units that prove a lower bound on epsilon; 0 for none.
        unsafe_seeded_noise: a seed for the noise: voids the guarantee, and the certificate says
            so; for tests only.

    >>> PrivacyConfig(epsilon=4).canaries
    1000
    >>> PrivacyConfig(epsilon=0)
    Traceback (most recent call last):
    safegen.errors.PlanError: epsilon is 0; it must be a finite number above 0
    """

    epsilon: float = 8.0
    delta: float | None = None
    noise_multiplier: float | None = None
    records_per_group: int | None = None
    canaries: int = 1000
    unsafe_seeded_noise: Annotated[int | None, NoOption()] = None

    def __post_init__(self) -> None:
        require_types(self)
        if not (math.isfinite(self.epsilon) and self.epsilon > 0):
            raise PlanError(f"epsilon is {self.epsilon:g}; it must be a finite number above 0")
        if self.delta is not None and not MIN_DELTA <= self.delta < 1:
            raise PlanError(
                f"delta is {self.delta:g}; choose {MIN_DELTA:g} or more, and less than 1/n of "
                "the n records or groups, or whole ones could leak; leave it out for 1/(n ln n)"
            )
        low, high = NOISE_RANGE
        if self.noise_multiplier is not None and not low <= self.noise_multiplier <= high:
            raise PlanError(
                f"noise_multiplier is {self.noise_multiplier:g}; choose from {low:g} to {high:g}, "
                "which is what a certificate can state"
            )
        each = self.records_per_group
        if each is not None and not 1 <= each <= MAX_RECORDS_PER_GROUP:
            raise PlanError(
                f"records_per_group is {each}: so many records of a group cannot take part in a "
                f"step; choose 1 to {MAX_RECORDS_PER_GROUP}"
            )
        few, many = CANARIES_RANGE
        if self.canaries and not few <= self.canaries <= many:
            raise PlanError(
                f"canaries is {self.canaries}: so many prove nothing, or cost too much; choose 0 "
                f"for none, or {few} to {many:,}"
            )
