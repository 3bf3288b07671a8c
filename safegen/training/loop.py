"""The one private loop: draw, step, count, average; whatever is being trained.

    1. Claim the next steps in a checkpoint, before any of them runs.
    2. Draw the step's units, each independently.
    3. Let the objective make a batch of them, and the engine take one noisy step.
    4. Let the objective do its public work, such as a generator's step.
    5. Update the moving average of the weights: post-processing, which costs nothing.

The loop stops when the plan's steps are done or when one more would exceed the budget.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from safegen.errors import PlanError
from safegen.privacy.execution.memory import memory_named
from safegen.privacy.mechanism.engine import PrivateEngine, Settings
from safegen.privacy.mechanism.sampling import SampledUnits
from safegen.training.average import Average
from safegen.training.events import Callbacks, CheckpointWritten, ReleaseMade, StepTaken
from safegen.training.optimizers import optimizer_tensors, restore_optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from safegen.models.generator import LatentGenerator
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.mechanism.engine import Losses
    from safegen.privacy.mechanism.releases import Releases
    from safegen.privacy.mechanism.sealed import PrivateRecords
    from safegen.schemas.certificate import Event
    from safegen.schemas.config import Recipe
    from safegen.training.objectives.objective import Objective

    Keep = Callable[[int, int, Mapping[str, Tensor]], None]

WARM_UP_STEPS = 10
LAST_RATE_SHARE = 0.05  # of the highest learning rate, at the last step
REHEARSED_UNITS = 4
CHECKPOINT_STEPS = 20  # steps from one checkpoint to the next: what a crash can waste


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a run leaves.

    Attributes:
        generator: ready to sample.
        events: what ran: the steps as the engine counted them, the releases as they were made.
        steps_run: how many steps are among them, those lost to a crash included.
        spacing: of the lattice that the noise was added on.
        margin: of sensitivity there.
        units_drawn: how many units took part, over this process's own steps and those before an
            interruption that a checkpoint knows of.
        units_considered: how many coins were tossed for that.
        units_each: how many of them in each step.
        sizes: (draws,), int64, how many units took part in each step that is known of.
    """

    generator: LatentGenerator
    events: tuple[Event, ...]
    steps_run: int
    spacing: float
    margin: float
    units_drawn: int
    units_considered: int
    units_each: int
    sizes: NDArray[np.int64]


class Training:
    """One run of a plan."""

    def __init__(
        self,
        objective: Objective,
        plan: PrivacyPlan,
        recipe: Recipe,
        *,
        groups: NDArray[np.int64] | PrivateRecords | None = None,
        settings: Settings | None = None,
        resumed: tuple[int, Mapping[str, Tensor]] | None = None,
    ) -> None:
        """Prepare a run; no record is looked at.

        Args:
            objective: the family's part, its networks on the device that trains.
            plan: what will be granted.
            recipe: what does not affect epsilon.
            groups: (records,), int64, the unit of each record, or the records under seal, which
                know it; None when records are units.
            settings: how it is carried out.
            resumed: steps of an interrupted run that count already, and what `keep` was given.

        Raises:
            PlanError: the network has a layer that cannot be trained privately.
        """
        counted, parts = (0, None) if resumed is None else (resumed[0], _unfold(resumed[1]))
        self._objective = objective
        self._plan = plan
        self._recipe = recipe
        self._settings = settings or Settings()
        self._average = Average(objective.averaged, recipe.average_decay)
        self._optimizer = torch.optim.Adam(
            objective.private.parameters(), lr=recipe.learning_rate, betas=recipe.betas
        )
        canaries = self._settings.canaries
        if canaries is not None:
            if parts is not None:
                canaries.restore(parts["canaries"])
            canaries.broadcast(self._settings.processes)
        self.engine = PrivateEngine(
            objective.private,
            plan,
            self._optimizer,
            rows_beside=objective.rows_beside,
            rows_per_record=objective.rows_per_record,
            groups=groups,
            settings=self._settings,
            steps_before=counted,
        )
        if parts is not None:
            self._restore(parts)

    def rehearse(self, shape: tuple[int, ...]) -> None:
        """Go through a step with made-up pictures, so that a mistake shows before it costs.

        Args:
            shape: the dimensions of a sample.

        Raises:
            PlanError: a loss or gradient of ordinary pictures is not finite.
        """
        draw, parts = self.made_up(shape, REHEARSED_UNITS)
        if not self.engine.rehearse(draw, parts, self._objective.losses):
            raise PlanError(
                "the network's gradients are not finite even for made-up pictures; nothing was "
                "spent: look at its first weights and its loss"
            )

    def made_up(
        self, shape: tuple[int, ...], units: int
    ) -> tuple[SampledUnits, tuple[Tensor, ...]]:
        """A step's draw and batch of random samples, which no record has gone into."""
        count = units * self.engine.rows_per_unit
        samples = torch.rand(count, *shape, device=self.device)
        labels = torch.zeros(count, dtype=torch.int64, device=self.device)
        draw = SampledUnits(rows=np.arange(count), canaries=np.arange(0))
        return draw, self._objective.batch(samples, labels)

    def summed(
        self, records: PrivateRecords, rows: NDArray[np.int64], *, loudness: float = 1.0
    ) -> Tensor:
        """What a step would add noise to, for rehearsals: from made-up records to the clipped sum.

        Everything that is drawn on the way is drawn from one seed, so that two sums differ by their
        records alone.

        Args:
            records: made up.
            rows: (units x records_per_unit,), numbers of the records that take part; `ABSENT` for
                rows that are empty.
            loudness: what losses are multiplied by.

        Returns:
            The sum as one vector, float64.
        """
        self._objective.fix_secret_draws(0)
        self._objective.fix_public_draws(0)
        numbers = np.repeat(rows, self._objective.rows_per_record)

        def loud(network: nn.Module, *parts: Tensor) -> Tensor:
            return loudness * self._objective.losses(network, *parts)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            draw, parts = self.engine.opened(
                records,
                SampledUnits(rows=numbers, canaries=np.arange(0)),
                self._objective.batch,
                keep_absent=True,
            )
            sums = self.engine.clipped_sums(draw, parts, loud)
        flat = [sums.get(p, torch.zeros_like(p)) for p in self.engine.network.parameters()]
        return torch.cat([each.double().flatten() for each in flat])

    def fix_draws(self, *, public: int, secret: int | None) -> None:
        """Draw from seeds, so that two rehearsals differ by their records; never on real ones.

        Args:
            public: of what is no secret.
            secret: of who is drawn and what is drawn for them; None to leave that as it is.
        """
        self._objective.fix_public_draws(public)
        if secret is not None:
            self._objective.fix_secret_draws(secret)
            self.engine.fix_draws(secret)

    @property
    def device(self) -> torch.device:
        """Where it trains."""
        return self._settings.processes.device

    @property
    def losses(self) -> Losses:
        """What turns a batch into each row's loss."""
        return self._objective.losses

    def run(
        self,
        records: PrivateRecords,
        releases: Releases,
        *,
        keep: Keep | None = None,
        callbacks: Callbacks | None = None,
    ) -> Trained | None:
        """Run the granted plan to its end.

        Args:
            records: all of them.
            releases: makes what is planned, and knows what was made.
            keep: writes a checkpoint of (counted, claimed, tensors); None for none.
            callbacks: told of each release, step and checkpoint.

        Returns:
            What the run leaves, in the first process; None in any other.

        Raises:
            TrainingError: a gradient is not finite, or the GPU's memory ends.
        """
        told = Callbacks() if callbacks is None else callbacks
        with memory_named("and go on with --resume"):
            return self._run(records.to(self.device), releases, keep, told)

    def _run(
        self, records: PrivateRecords, releases: Releases, keep: Keep | None, told: Callbacks
    ) -> Trained | None:
        allowed = self._plan.affordable_steps()
        claimed = self.engine.steps_run
        if not claimed:
            with releases_told(releases, self._plan, told):
                self._objective.prepare(records, releases)
            self._average.restart(self._objective.averaged)
        for step in range(self.engine.steps_run, allowed):
            if keep is not None and step >= claimed:
                claimed = min(step + CHECKPOINT_STEPS, allowed)
                keep(step, claimed, self.tensors())
                told(CheckpointWritten(step=step, claimed=claimed))
            self._step(records, rate_factor(step, allowed))
            spent = (*self.engine.events(), *releases.events())
            delta = self._plan.delta
            told(StepTaken(step=step + 1, steps=allowed, spent=spent, delta=delta))
        if keep is not None:
            keep(allowed, allowed, self.tensors())
            told(CheckpointWritten(step=allowed, claimed=allowed))
        if not self._settings.processes.first:
            return None
        with releases_told(releases, self._plan, told, self.engine.events()):
            return self._finish(records, releases)

    def _restore(self, parts: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take up what `keep` was given."""
        self._objective.private.load_state_dict(parts["private"])
        self._average.restore(parts["average"])
        restore_optimizer(self._optimizer, parts.get("optimizer", {}))  # empty before step 1
        self.engine.units_drawn, self.engine.units_considered = parts["draws"]["units"].tolist()
        sizes = parts["draws"].get("sizes")  # which checkpoints of 0.1 have not
        self.engine.sizes = [] if sizes is None else sizes.tolist()
        self._objective.restore(parts.get("objective", {}))

    def _step(self, records: PrivateRecords, factor: float) -> None:
        self.engine.set_learning_rate(self._recipe.learning_rate * factor)
        self.engine.learn(records, self._objective.batch, self._objective.losses)
        self._objective.work_publicly(self.engine, rate_factor=factor)
        self._average.update(self._objective.averaged)

    def _finish(self, records: PrivateRecords, releases: Releases) -> Trained:
        events, grid = self.engine.events(), self.engine.lattice
        self.engine.release_network()
        generator = self._objective.finish(self._average.network, records, releases)
        return Trained(
            generator=generator.cpu().eval(),
            events=(*events, *releases.events()),
            steps_run=self.engine.steps_run,
            spacing=grid.spacing,
            margin=grid.margin,
            units_drawn=self.engine.units_drawn,
            units_considered=self.engine.units_considered,
            units_each=self.engine.units_each,
            sizes=np.array(self.engine.sizes, dtype=np.int64),
        )

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint must hold."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "private": self._objective.private.state_dict(),
            "average": self._average.state(),
            "optimizer": optimizer_tensors(self._optimizer),
            "objective": self._objective.state(),
            "draws": {
                "units": torch.tensor([self.engine.units_drawn, self.engine.units_considered]),
                "sizes": torch.tensor(self.engine.sizes, dtype=torch.int64),
            },
        }
        if self._settings.canaries is not None:
            parts["canaries"] = self._settings.canaries.state()
        return {f"{part}/{name}": t for part, held in parts.items() for name, t in held.items()}


@contextlib.contextmanager
def releases_told(
    releases: Releases, plan: PrivacyPlan, told: Callbacks, spent: tuple[Event, ...] = ()
) -> Iterator[None]:
    """Tell of what is released meanwhile, beside what was spent on steps."""
    before = releases.made
    yield
    for purpose, made in releases.made.items():
        for _ in range(made - before.get(purpose, 0)):
            told(ReleaseMade(purpose=purpose, spent=(*spent, *releases.events()), delta=plan.delta))


def rate_factor(step: int, steps: int) -> float:
    """Linear warm-up, a plateau, and a linear descent over the second half.

    >>> [round(rate_factor(step, 100), 2) for step in (0, 9, 50, 75, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.05]
    """
    return min(1.0, (step + 1) / WARM_UP_STEPS, max(LAST_RATE_SHARE, 2 * (1 - step / steps)))


def _unfold(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by their part's name, the word before the slash."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = tensor
    return parts
