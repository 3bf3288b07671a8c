"""One training run from plan to package, in the first process; and how the others follow it.

    1. Plan: bind sampling, clipping, noise and accounting in one frozen value, and see whether the
       budget has room for it.
    2. Rehearse with made-up pictures, on networks that are thrown away.
    3. Learn first weights from pictures that are no records.
    4. Write a checkpoint that names the run; take its grant from the data set's budget.
    5. Train, with checkpoints; count what ran; settle the grant with it.
    6. Publish.

Everything that can be refused is refused before step 4, so that a mistake costs no budget.
"""

from __future__ import annotations

import secrets
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import DataError, FewRecordsWarning, SafegenError, StorageError
from safegen.modality.registry import modality_of
from safegen.pipeline.train.admission import few_records, require_admission
from safegen.pipeline.train.course import Course
from safegen.pipeline.train.dry_run import rehearse, rehearse_run
from safegen.pipeline.train.initialization import (
    from_prior,
    require_public,
    start_in,
    start_tensors,
)
from safegen.pipeline.train.miniature import miniature
from safegen.pipeline.train.networks import canaries_of, throwaway, training_of
from safegen.pipeline.train.planning import plan_for, preset_for, public_data
from safegen.privacy.execution.processes import Processes
from safegen.privacy.mechanism import noise
from safegen.privacy.mechanism.engine import Settings
from safegen.privacy.mechanism.releases import Releases
from safegen.schemas.canonical import digest
from safegen.schemas.card import published
from safegen.schemas.names import DIGESTS
from safegen.training import checkpoint
from safegen.training.checkpoint import RunFacts, Standing
from safegen.training.events import RunFinished, RunStarted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from safegen.config.privacy import PrivacyConfig
    from safegen.config.training import TrainingConfig
    from safegen.pipeline.train.networks import Resumed
    from safegen.pipeline.train.publish import Publisher
    from safegen.pipeline.train.sealing import TrainingData
    from safegen.privacy.accounting.budget import Budget, Grant
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.execution.settings import Execution
    from safegen.progress import Progress
    from safegen.schemas.config import Architecture, Recipe
    from safegen.training.events import Callbacks
    from safegen.training.objectives.objective import Start


@dataclass(frozen=True, slots=True)
class Run:
    """The first process's part: it decides, keeps the books and publishes."""

    data: TrainingData
    budget: Budget
    publisher: Publisher
    processes: Processes
    execution: Execution
    callbacks: Callbacks

    @property
    def progress(self) -> Progress:
        """Told how far work is that is no private step."""
        return self.callbacks.progress

    def begin(self, privacy: PrivacyConfig, training: TrainingConfig) -> None:
        """Plan, rehearse, take the grant, and train from the first step.

        Args:
            privacy: what is to be promised.
            training: what is to be trained.

        Raises:
            DataError: the pictures to learn from first are the records themselves, of another
                shape, or not public.
        """
        public = public_data(training)
        if public is not None:
            require_public(public, self.data, self.budget)
        require_admission(self.data.card, self.data.grouping, privacy, training, self.budget)
        self.progress("planning", 0, 1)
        chosen = preset_for(privacy, training, self.data.card)
        plan = plan_for(privacy, training, chosen, self.data.card)
        self.budget.require_room(plan, self.data.card)
        few = few_records(self.data.card, privacy.epsilon)
        if few is not None:
            warnings.warn(few, FewRecordsWarning, stacklevel=3)
        self._rehearse(plan, chosen.architecture, chosen.recipe)
        self.progress("planning", 1, 1)
        recipe, start = from_prior(
            chosen.recipe,
            chosen.architecture,
            public,
            seed=training.seed,
            device=self.processes.device,
            progress=self.progress,
        )
        facts = RunFacts(
            plan=plan,
            token=secrets.token_hex(16),
            data_digest=self.data.card.digest,
            grouping=self.data.grouping,
            architecture=chosen.architecture,
            recipe=recipe,
            seed=training.seed,
            canaries=privacy.canaries,
            release_key=f"{noise.new_key():032x}",
            unsafe_seeded_noise=privacy.unsafe_seeded_noise,
        )
        self._train(facts, start, None, _releases(facts), fresh=True)

    def _rehearse(self, plan: PrivacyPlan, made: Architecture, recipe: Recipe) -> None:
        """Look at the engine as it is going to run here, which a resumed run may change."""
        settings = Settings(
            execution=self.execution, processes=Processes(device=self.processes.device)
        )
        rehearse(
            throwaway(plan, made, recipe, settings),
            plan,
            modality_of(made.shape).dimensions,
        )
        rehearse_run(miniature(plan, made, recipe, self.execution, self.processes.device))

    def resume(self) -> None:
        """Go on where an interrupted run was, with all that it may have run counted."""
        if (self.publisher.folder / DIGESTS).exists():
            self.publisher.complete()
            checkpoint.remove(self._checkpoint)
            return
        standing, tensors = checkpoint.read(self._checkpoint)
        facts = standing.facts
        if not _begun_with(facts, self.data):
            raise StorageError(
                f"the run in {self.publisher.folder} is of other records than "
                f"{self.data.card.name}, or of another size or grouping of them; name the data "
                "set as when it was begun"
            )
        self._rehearse(facts.plan, facts.architecture, facts.recipe)
        if standing.claimed:
            resumed, releases = (standing.claimed, tensors), _releases(facts, standing)
            self._train(facts, None, resumed, releases, fresh=False)
        else:  # before its first step a run has nothing but its start
            self._train(facts, start_in(tensors), None, _releases(facts), fresh=False)

    def _train(
        self,
        facts: RunFacts,
        start: Start | None,
        resumed: Resumed | None,
        releases: Releases,
        *,
        fresh: bool,
    ) -> None:
        course = Course(
            facts=facts,
            data=self.data,
            releases=releases,
            canaries=canaries_of(facts),
            processes=self.processes,
            execution=self.execution,
            callbacks=self.callbacks,
        )

        def keep(standing: Standing, tensors: Mapping[str, Tensor]) -> None:
            checkpoint.keep(self._checkpoint, standing, tensors)

        if fresh:
            keep(course.standing(0, 0), start_tensors(start))
        grant = self._grant(facts, resumed, fresh=fresh)
        plan = facts.plan
        self.callbacks(
            RunStarted(
                steps=plan.affordable_steps(),
                steps_before=0 if resumed is None else resumed[0],
                epsilon=plan.epsilon,
                delta=plan.delta,
            )
        )
        trained = course.run(start, resumed, keep)
        self.budget.settle(grant.number, trained.events)
        card = published(self.data.card, grant.salt)
        certificate = self.publisher.publish(trained, facts, card, course.canaries)
        checkpoint.remove(self._checkpoint)
        self.callbacks(
            RunFinished(
                steps=trained.steps_run,
                epsilon=certificate.epsilon,
                delta=certificate.delta,
                certificate=digest(certificate),
            )
        )

    def _grant(self, facts: RunFacts, resumed: Resumed | None, *, fresh: bool) -> Grant:
        """The run's one grant: taken now, or when it began.

        Raises:
            BudgetRefused: the data set's budget does not allow it.
            StorageError: the ledger cannot be used, or is not the one that the run began with; or
                the run was finished from another copy.
        """
        grouping = self.data.grouping
        if resumed is not None and not self.budget.knows(self.data.card.digest, facts.token):
            raise StorageError(
                f"the run in {self.publisher.folder} took its grant from another budget ledger; "
                "name that one with --budget or SAFEGEN_BUDGET"
            )
        try:
            grant = self.budget.grant(
                facts.plan, self.data.card, grouping=grouping, token=facts.token
            )
        except SafegenError:
            if fresh:
                checkpoint.remove(self._checkpoint)
            raise
        if grant.settled and (resumed is None or resumed[0] < facts.plan.affordable_steps()):
            raise StorageError(
                f"the run in {self.publisher.folder} was finished from another copy of its "
                "checkpoint; use the package that it made"
            )
        return grant

    @property
    def _checkpoint(self) -> Path:
        return self.publisher.folder / checkpoint.NAME


def _releases(facts: RunFacts, standing: Standing | None = None) -> Releases:
    """The run's account of releases, with those that were made before it was interrupted."""
    made = None if standing is None else standing.releases_made()
    return Releases(facts.plan, int(facts.release_key, 16), made=made)


def _begun_with(facts: RunFacts, data: TrainingData) -> bool:
    """Whether a run was begun with these records, in this shape, under these units."""
    made, plan, card = facts.architecture, facts.plan, data.card
    return (
        facts.data_digest == card.digest
        and made.shape == card.shape
        and (plan.unit, plan.units) == (card.unit, card.units)
        and facts.grouping == data.grouping
    )


def train_as_follower(data: TrainingData, processes: Processes, execution: Execution) -> None:
    """The other processes' part: train along with the first.

    Each owns units by their numbers, so that all must have the records in one order.
    """
    order = processes.receive()
    facts, start, resumed = processes.receive()
    if not _begun_with(facts, data) or order != data.records.order():
        raise DataError(
            "this process found other records than the first, or in another order; give all the "
            "same ones in the same order"
        )
    training = training_of(facts, data, processes, execution, canaries_of(facts), resumed, start)
    training.run(data.records, Releases(facts.plan))
