"""The one private loop: draw, step, count, average; whatever is being trained.

    1. Draw the step's records, each independently.
    2. Ask the objective for each row's loss and let the engine take one noisy step.
    3. Let the objective do its public work, such as a generator's step.
    4. Update the moving average of the weights: post-processing, which costs nothing.

The loop stops when the plan's steps are done or when one more would exceed the budget.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from safegen.privacy.engine import PrivateEngine

if TYPE_CHECKING:
    from safegen.data.dataset import DataSet
    from safegen.models.generator import PictureGenerator
    from safegen.privacy.plan import PrivacyPlan
    from safegen.progress import Progress
    from safegen.records.certificate import Event
    from safegen.records.config import Recipe

WARM_UP_STEPS = 10
LAST_RATE = 0.05  # of the highest learning rate, at the last step


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The data set on the device that trains.

    Attributes:
        pictures: (n, channels, height, width), uint8.
        labels: (n,), int64.
    """

    pictures: Tensor
    labels: Tensor

    def rows(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The chosen rows: pictures as float32 in [0, 1], and labels."""
        return self.pictures[chosen].float() / 255, self.labels[chosen]


class Objective(Protocol):
    """What one family of generators brings to the loop.

    Attributes:
        private: the only network that sees records.
        averaged: the network whose weights are averaged.
        rows_beside: rows of public content in every private step.
    """

    @property
    def private(self) -> nn.Module: ...  # noqa: D102 - above
    @property
    def averaged(self) -> nn.Module: ...  # noqa: D102 - above
    @property
    def rows_beside(self) -> int: ...  # noqa: D102 - above

    def losses(self, network: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
        """Each row's loss: the records' rows, then `rows_beside` others."""
        ...

    def work_publicly(self, engine: PrivateEngine, *, rate_factor: float) -> None:
        """Do what needs no records, after each private step."""
        ...

    def finish(
        self, average: nn.Module, records: Records, plan: PrivacyPlan
    ) -> tuple[PictureGenerator, tuple[Event, ...]]:
        """Make the generator, with the events of any release that this took."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a run leaves: the generator, and the events that ran."""

    generator: PictureGenerator
    events: tuple[Event, ...]
    steps_run: int


def train_privately(
    objective: Objective,
    data: DataSet,
    plan: PrivacyPlan,
    recipe: Recipe,
    *,
    device: torch.device,
    progress: Progress,
) -> Trained:
    """Run a granted plan.

    Args:
        objective: the family's part, its networks on `device`.
        data: the records.
        plan: what was granted.
        recipe: what does not affect epsilon.
        device: where to train.
        progress: told after each step.

    Raises:
        TrainingError: a gradient is not finite.
    """
    allowed = plan.affordable_steps()
    records = Records(
        pictures=torch.from_numpy(data.images).to(device),
        labels=torch.from_numpy(data.labels).to(device),
    )
    optimizer = torch.optim.Adam(
        objective.private.parameters(), lr=recipe.learning_rate, betas=recipe.betas
    )
    engine = PrivateEngine(objective.private, plan, optimizer, rows_beside=objective.rows_beside)
    average = Average(objective.averaged, recipe.average_decay)
    for step in range(allowed):
        factor = rate_factor(step, allowed)
        engine.set_learning_rate(recipe.learning_rate * factor)
        pictures, labels = records.rows(torch.from_numpy(engine.draw()).to(device))
        anything = len(pictures) or objective.rows_beside
        engine.step(objective.losses(engine.network, pictures, labels) if anything else None)
        objective.work_publicly(engine, rate_factor=factor)
        average.update(objective.averaged)
        progress("training", step + 1, allowed)
    step_events = engine.events()
    engine.release_network()
    generator, release_events = objective.finish(average.network, records, plan)
    return Trained(
        generator=generator.cpu().eval(),
        events=(*step_events, *release_events),
        steps_run=engine.steps_run,
    )


def rate_factor(step: int, steps: int) -> float:
    """Linear warm-up, a plateau, and a linear descent over the second half.

    >>> [round(rate_factor(step, 100), 2) for step in (0, 9, 50, 75, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.05]
    """
    return min(1.0, (step + 1) / WARM_UP_STEPS, max(LAST_RATE, 2 * (1 - step / steps)))


class Average:
    """Exponential moving average of a network's weights, started from its first steps."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._decay = decay
        self._updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network's weights."""
        self._updates += 1
        decay = min(self._decay, self._updates / (self._updates + 9))
        for mine, new in zip(self.network.parameters(), network.parameters(), strict=True):
            mine.lerp_(new, 1 - decay)
