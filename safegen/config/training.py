"""What is trained, and from where; nothing here enters epsilon but by the preset it chooses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from safegen.arguments import require_types
from safegen.errors import InputError, PlanError
from safegen.option import Spelled
from safegen.privacy.accounting.ranges import MAX_STEPS
from safegen.schemas.choices import Family, WarmStart
from safegen.schemas.names import MAX_SEED

if TYPE_CHECKING:
    from safegen.data.dataset import DataSet


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What is trained, and from where.

    Attributes:
        family: what to train.
        steps: private steps; the preset's by default.
        expected_batch_size: records, or groups, that a step draws on average; the preset's by
            default.
        pretraining: pictures that networks learn from first, at no cost: `strokes`, `silhouettes`
            or `leaves`, drawn by code; a public data set; `none`; or `auto`, the preset's. The
            certificate names it.
        warm_start: `moments` learns from one-shot releases before the first step; `auto` is the
            preset's.
        seed: of first weights; never of noise.

    >>> TrainingConfig(steps=0)
    Traceback (most recent call last):
    safegen.errors.PlanError: steps is 0; choose from 1 to 10,000,000
    """

    family: Annotated[Family, Spelled("--model")] = "vae"
    steps: int | None = None
    expected_batch_size: Annotated[int | None, Spelled("--batch")] = None
    pretraining: Annotated[str | Path | DataSet, Spelled("--prior", value="NAME")] = "auto"
    warm_start: WarmStart = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        require_types(self, PlanError)
        if not (
            isinstance(self.pretraining, str | os.PathLike) or hasattr(self.pretraining, "card")
        ):
            raise InputError(
                f"pretraining is {self.pretraining!r}; give a name, a path or a data set"
            )
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise PlanError(f"steps is {self.steps}; choose from 1 to {MAX_STEPS:,}")
        if self.expected_batch_size is not None and self.expected_batch_size < 1:
            raise PlanError(
                f"expected_batch_size is {self.expected_batch_size}; a step must draw 1 or more"
            )
        if not 0 <= self.seed <= MAX_SEED:
            raise PlanError(f"the seed is {self.seed}; choose a whole number from 0 to 2^53 - 1")
