"""The course of a run from the moment on that it may look at records, to what it leaves.

    1. Make the releases that come before the steps, and learn first weights from them.
    2. Tell the other processes what is trained, and from where.
    3. Train; the steps and the releases are counted as they are made.

Where its grant comes from and where its package goes is not its business (`run`), so that a
rehearsal goes the very same way with made-up records (`miniature`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.pipeline.train.initialization import from_releases
from safegen.pipeline.train.networks import training_of
from safegen.training.checkpoint import Standing
from safegen.training.loop import releases_told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from safegen.pipeline.train.networks import Resumed
    from safegen.pipeline.train.sealing import TrainingData
    from safegen.privacy.execution.processes import Processes
    from safegen.privacy.execution.settings import Execution
    from safegen.privacy.mechanism.canaries import Canaries
    from safegen.privacy.mechanism.outlet import Outlet
    from safegen.privacy.mechanism.releases import Releases
    from safegen.training.checkpoint import RunFacts
    from safegen.training.events import Callbacks
    from safegen.training.loop import Trained
    from safegen.training.objectives.objective import Start

    Keep = Callable[[Standing, Mapping[str, Tensor]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a run has at hand.

    Attributes:
        facts: what it was decided to be.
        data: its records, under seal.
        releases: makes what is planned.
        canaries: that ride along; None for none.
        processes: that train together; this is the first.
        execution: speed and memory.
        callbacks: told what happens.
        outlet: what every noisy sum goes through, in rehearsals; None for none.
        warm_pictures: drawn from the warm start; as many as usual when None.
        fixed: seeds of draws that are no secret, and of secret ones if they are fixed, too; for
            rehearsals. Fresh from the operating system when None.
    """

    facts: RunFacts
    data: TrainingData
    releases: Releases
    canaries: Canaries | None
    processes: Processes
    execution: Execution
    callbacks: Callbacks
    outlet: Outlet | None = None
    warm_pictures: int | None = None
    fixed: tuple[int, int | None] | None = None

    def run(self, start: Start | None, resumed: Resumed | None, keep: Keep) -> Trained:
        """Train to the end.

        Args:
            start: where networks start from; None for random weights, and when resumed.
            resumed: steps that count already, and what a checkpoint held; None for a new run.
            keep: writes a checkpoint.
        """
        if resumed is None:
            with releases_told(self.releases, self.facts.plan, self.callbacks):
                start = from_releases(
                    self.facts,
                    self.data,
                    start,
                    self.releases,
                    device=self.processes.device,
                    progress=self.callbacks.progress,
                    pictures=self.warm_pictures,
                )
        if self.processes.world > 1:
            self.processes.broadcast(self.data.records.order())
        facts, start, resumed = self.processes.broadcast((self.facts, start, resumed))
        training = training_of(
            facts,
            self.data,
            self.processes,
            self.execution,
            self.canaries,
            resumed,
            start,
            outlet=self.outlet,
        )
        if self.fixed is not None:
            training.fix_draws(public=self.fixed[0], secret=self.fixed[1])
        trained = training.run(
            self.data.records,
            self.releases,
            keep=lambda counted, claimed, tensors: keep(self.standing(counted, claimed), tensors),
            callbacks=self.callbacks,
        )
        assert trained is not None  # the first process finishes
        return trained

    def standing(self, counted: int, claimed: int) -> Standing:
        """How far the run is, as a checkpoint says it."""
        return Standing(
            facts=self.facts,
            counted=counted,
            claimed=claimed,
            events=self.facts.plan.step_events(claimed),
            releases=self.releases.made,
        )
