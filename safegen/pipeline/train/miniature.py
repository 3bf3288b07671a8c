"""A run in miniature on made-up records: the very course of a run, with few steps and pictures.

It goes through the code of a real one (`course`), from records under seal to a package's bytes, and
an interruption on the way. What it leaves is kept as named bytes, to be compared with what another
one left (`audit.noninterference`).
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.audit.made_up import OTHER_UNITS
from safegen.audit.noninterference import plain
from safegen.modality.registry import modality_of
from safegen.models.vae import ConditionalVAE
from safegen.package.model_card import model_card
from safegen.pipeline.train.course import Course
from safegen.pipeline.train.heard import Heard
from safegen.pipeline.train.networks import first_weights, throwaway
from safegen.pipeline.train.publish import content_of
from safegen.pipeline.train.sealing import TrainingData
from safegen.privacy.execution.processes import Processes
from safegen.privacy.mechanism.engine import Settings
from safegen.privacy.mechanism.outlet import Canned
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.schemas.card import DataCard, published
from safegen.schemas.config import PackageDigests
from safegen.training import checkpoint
from safegen.training.checkpoint import RunFacts
from safegen.training.events import Callbacks
from safegen.training.objectives.objective import Start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from safegen.audit.made_up import MadeUp
    from safegen.audit.noninterference import Trace
    from safegen.modality.base import Modality
    from safegen.pipeline.train.networks import Resumed
    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.execution.settings import Execution
    from safegen.privacy.mechanism.outlet import Outlet
    from safegen.schemas.config import Architecture, Recipe
    from safegen.training.checkpoint import Standing
    from safegen.training.events import Callback
    from safegen.training.loop import Trained, Training

MINIATURE_STEPS = 2
MINIATURE_ROUNDS = 2  # of a release that is made many times
SAMPLES = 48  # public ones, and ones drawn from the warm start
GENERATED_PER_STEP = 16  # in a step, of a GAN
AMPLE_EPSILON = 1e5  # epsilon, so that all steps are paid for


@dataclass(frozen=True, slots=True, kw_only=True)
class Miniature:
    """What a run is to be, made small.

    Attributes:
        plan: with few units, all of whom are drawn in each of few steps.
        architecture: of the real run.
        recipe: of the real run, with few generated pictures.
        execution: of the real run.
        device: where it trains.
    """

    plan: PrivacyPlan
    architecture: Architecture
    recipe: Recipe
    execution: Execution
    device: torch.device

    @property
    def modality(self) -> Modality:
        """The kind of data."""
        return modality_of(self.architecture.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions of a sample."""
        return self.modality.dimensions

    def training(self) -> Training:
        """Networks and engine, thrown away afterwards."""
        settings = Settings(execution=self.execution, processes=Processes(device=self.device))
        return throwaway(self.plan, self.architecture, self.recipe, settings)

    @property
    def classes(self) -> int:
        """How many labels."""
        return self.architecture.classes

    @property
    def grouped(self) -> bool:
        """Whether units are groups."""
        return self.plan.unit == "group"

    def records(self, made: MadeUp) -> PrivateRecords:
        """Made-up records under seal."""
        return PrivateRecords(
            self.modality.to_stored(made.samples),
            made.labels,
            made.groups,
            to_float=self.modality.to_float,
        )

    def left(
        self,
        records: PrivateRecords,
        outlet: Outlet,
        *,
        digest: str,
        loudness: float = 1.0,
        fixed: bool = False,
        resumed: bool = False,
    ) -> Trace:
        """Train on records to the end; then, if wished, once more from the first checkpoint on.

        Args:
            records: of the plan's units.
            outlet: what every output goes through.
            digest: of the records, which nothing but the budget may depend on.
            loudness: what the radii of releases are divided by.
            fixed: whether secret draws are from a seed; who is drawn, and what for them, is then
                the same for all records.
            resumed: whether to take the run up again, under fixed outputs.
        """
        trace: dict[str, bytes] = {}
        heard = Heard(trace)
        with heard:
            made = functools.partial(
                self._course, records, digest, heard.event, loudness, 0 if fixed else None
            )
            course = made(outlet)
            kept = self._life(course, self._start(), None, trace, "")
            if resumed:
                again = made(Canned(seed=1), kept[0][0])
                claimed = kept[0][0].claimed, kept[0][1]
                self._life(again, None, claimed, trace, "resumed, ")
        return trace

    def _course(
        self,
        records: PrivateRecords,
        digest: str,
        heard: Callback,
        loudness: float,
        secret: int | None,
        outlet: Outlet,
        kept: Standing | None = None,
    ) -> Course:
        facts = self._facts(digest)
        made = None if kept is None else kept.releases_made()
        return Course(
            facts=facts,
            data=TrainingData(card=self._card(digest), grouping=facts.grouping, records=records),
            releases=Releases(self.plan, None, made=made, outlet=outlet, loudness=loudness),
            canaries=None,
            processes=Processes(device=self.device),
            execution=self.execution,
            callbacks=Callbacks((heard,)),
            outlet=outlet,
            warm_pictures=SAMPLES,
            fixed=(0, secret),
        )

    def _life(
        self,
        course: Course,
        start: Start | None,
        resumed: Resumed | None,
        trace: dict[str, bytes],
        life: str,
    ) -> list[tuple[Standing, Mapping[str, Tensor]]]:
        """One life of the run; what it leaves goes into the trace, its checkpoints are returned."""
        kept: list[tuple[Standing, Mapping[str, Tensor]]] = []

        def keep(standing: Standing, tensors: Mapping[str, Tensor]) -> None:
            checkpoint.packed(standing, tensors)  # what it does not hold, it refuses
            place = f"{life}checkpoint {len(kept)}"
            trace[f"{place}: standing"] = plain(standing.model_dump_json())
            held = {name: tensor.detach().clone() for name, tensor in tensors.items()}
            trace.update({f"{place}: {name}": _bytes(tensor) for name, tensor in held.items()})
            kept.append((standing, held))

        trained = course.run(start, resumed, keep)
        trace.update({f"{life}{n}": each for n, each in self._package(trained, course).items()})
        return kept

    def _package(self, trained: Trained, course: Course) -> dict[str, bytes]:
        """What would be published, apart from its signature."""
        trace = {
            f"weights: {name}": _bytes(tensor)
            for name, tensor in trained.generator.state_dict().items()
        }
        card = published(course.data.card, b"a salt that is 32 bytes in long.")
        config, certificate, content = content_of(trained, course.facts, card, None, "")
        trace["config"], trace["certificate"] = plain(content.config), plain(content.certificate)
        # The page shows digests of the other files, which are compared themselves.
        shown = config.model_copy(update={"data": card.model_copy(update={"digest": ""})})
        nothing = PackageDigests(weights="", config="", certificate="")
        trace["card"] = model_card(shown, certificate, nothing).encode()
        return trace

    def _start(self) -> Start | None:
        """As a prior would give one."""
        if self.recipe.prior is None:
            return None
        with first_weights(0, self.device):
            weights = ConditionalVAE(self.architecture).state_dict()
        drawn = np.random.default_rng(1).random((SAMPLES, *self.shape))
        return Start(weights=weights, reference=torch.from_numpy(self.modality.to_stored(drawn)))

    def _facts(self, digest: str) -> RunFacts:
        return RunFacts(
            plan=self.plan,
            token="",
            data_digest=digest,
            grouping=digest if self.grouped else None,
            architecture=self.architecture,
            recipe=self.recipe,
            seed=0,
            canaries=0,
            release_key="0",
        )

    def _card(self, digest: str) -> DataCard:
        return DataCard(
            name="rehearsal",
            source="made up",
            licence="none",
            count=1000,
            shape=self.architecture.shape,
            classes=tuple(str(label) for label in range(self.architecture.classes)),
            digest=digest,
            unit=self.plan.unit,
            units=self.plan.units,
        )


def miniature(
    plan: PrivacyPlan,
    architecture: Architecture,
    recipe: Recipe,
    execution: Execution,
    device: torch.device,
) -> Miniature:
    """A run made small: as many units as are made up, all of whom take part in each step."""
    units = OTHER_UNITS + 1
    small = dataclasses.replace(
        plan,
        epsilon=AMPLE_EPSILON,
        delta=0.5 / units,
        units=units,
        expected_batch_size=units,
        steps=MINIATURE_STEPS,
        releases=tuple(
            dataclasses.replace(each, count=min(each.count, MINIATURE_ROUNDS))
            for each in plan.releases
        ),
    )
    rows = min(recipe.generator_rows, GENERATED_PER_STEP)
    return Miniature(
        plan=small,
        architecture=architecture,
        recipe=recipe.model_copy(update={"generator_rows": rows}),
        execution=execution,
        device=device,
    )


def _bytes(tensor: Tensor) -> bytes:
    held = tensor.detach().cpu().contiguous()
    return f"{held.dtype} {tuple(held.shape)} ".encode() + held.numpy().tobytes()
