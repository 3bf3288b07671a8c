"""The networks of a run, with the engine around them; built the same way in every process."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.engine import Settings
from safegen.training.loop import Training
from safegen.training.objectives.gan import GanObjective
from safegen.training.objectives.vae import VaeObjective

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from safegen.pipeline.train.sealing import TrainingData
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.execution.processes import Processes
    from safegen.privacy.execution.settings import Execution
    from safegen.privacy.mechanism.outlet import Outlet
    from safegen.schemas.config import Architecture, Recipe
    from safegen.training.checkpoint import RunFacts
    from safegen.training.objectives.objective import Objective, Start

    Resumed = tuple[int, Mapping[str, Tensor]]


def training_of(
    facts: RunFacts,
    data: TrainingData,
    processes: Processes,
    execution: Execution,
    made_up: Canaries | None,
    resumed: Resumed | None,
    start: Start | None,
    *,
    outlet: Outlet | None = None,
) -> Training:
    """Networks and engine of a run; its seed fixes first weights and nothing after them."""
    with first_weights(facts.seed, processes.device):
        objective = _objective(facts.architecture, facts.recipe, processes, start)
    settings = Settings(
        execution=execution,
        processes=processes,
        canaries=made_up,
        unsafe_seeded_noise=facts.unsafe_seeded_noise,
        outlet=outlet,
    )
    return Training(
        objective,
        facts.plan,
        facts.recipe,
        groups=data.records,
        settings=settings,
        resumed=resumed,
    )


def throwaway(
    plan: PrivacyPlan, architecture: Architecture, recipe: Recipe, settings: Settings
) -> Training:
    """Networks and engine of a run that never sees a record."""
    with first_weights(0, settings.processes.device):
        objective = _objective(architecture, recipe, settings.processes, None)
    groups = None
    if plan.unit == "group":  # any will do: nobody is drawn
        groups = np.arange(plan.units)
    return Training(objective, plan, recipe, groups=groups, settings=settings)


@contextlib.contextmanager
def first_weights(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's own randomness: from the seed inside, as it was before outside."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _objective(
    architecture: Architecture, recipe: Recipe, processes: Processes, start: Start | None
) -> Objective:
    family = VaeObjective if architecture.family == "vae" else GanObjective
    return family(architecture, recipe, processes, start)


def canaries_of(facts: RunFacts) -> Canaries | None:
    """Fresh canaries, as many as the run has; None for none."""
    return Canaries(facts.canaries) if facts.canaries else None
