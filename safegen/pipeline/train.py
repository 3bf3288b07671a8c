"""Data set to certified model package.

    1. Load the records; their card fixes the privacy unit and the digest.
    2. Plan: bind sampling, clipping, noise and accounting in one frozen value.
    3. Build the networks and rehearse a step with made-up pictures.
    4. Write a checkpoint that names the run; take its grant from the data set's budget.
    5. Train, with checkpoints; count what ran; settle the grant with it.
    6. Certify, with the lower bound that the run's canaries prove; pack, sign, write, log.

Everything that can be refused is refused before step 4, so that a mistake costs no budget. Started
by torchrun, several processes train together; the first keeps the books.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen import storage
from safegen.data.dataset import DataSet
from safegen.data.groups import read_groups
from safegen.data.sources import load as load_data
from safegen.errors import DataError, KeyMaterialError, PlanError, SafegenError, StorageError
from safegen.pipeline.model import Model, load
from safegen.pipeline.publish import Publisher
from safegen.pipeline.rehearsal import rehearse
from safegen.pipeline.request import LARGEST_SEED
from safegen.privacy import noise
from safegen.privacy.budget import Budget
from safegen.privacy.canaries import DEFAULT_COUNT, Canaries
from safegen.privacy.engine import Settings
from safegen.privacy.execution import Execution
from safegen.privacy.plan import PrivacyPlan, plan_within
from safegen.privacy.processes import Processes, joined
from safegen.progress import Progress, silent
from safegen.provenance.ledger import Ledger
from safegen.provenance.signer import open_signer
from safegen.records.card import published
from safegen.records.names import DIGESTS
from safegen.training import checkpoint
from safegen.training.adversarial import GanObjective
from safegen.training.checkpoint import RunFacts, Standing
from safegen.training.elbo import VaeObjective
from safegen.training.loop import Training
from safegen.training.recipe import Preset, preset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from safegen.privacy.budget import Grant
    from safegen.provenance.signer import FileSigner
    from safegen.records.config import Architecture, Family, Recipe
    from safegen.training.loop import Objective

    Resumed = tuple[int, Mapping[str, Tensor]]

RECORDS_PER_GROUP = 4  # in a step at most, when units are groups


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
        records_per_group: records of a group in a step at most, when units are groups.
        seed: of first weights; noise and sampling have none.
        canaries: made-up units for the lower bound; 0 for none, and no bound.
        unsafe_seeded_noise: a seed for the noise; voids the guarantee, for tests only.
    """

    epsilon: float = 8.0
    delta: float | None = None
    model: Family = "vae"
    steps: int | None = None
    batch: int | None = None
    noise_multiplier: float | None = None
    records_per_group: int = RECORDS_PER_GROUP
    seed: int = 0
    canaries: int = DEFAULT_COUNT
    unsafe_seeded_noise: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise PlanError(f"the seed is {self.seed}; choose a whole number from 0 to 2^53 - 1")
        if self.canaries and not 100 <= self.canaries <= 100_000:
            raise PlanError(
                f"{self.canaries} canaries prove nothing, or cost too much; choose 0 for none, or "
                "100 to 100,000"
            )


def train(  # noqa: PLR0913 - a run has as many choices as it has
    data: str | Path | DataSet,
    *,
    out: str | Path,
    epsilon: float = 8.0,
    delta: float | None = None,
    model: Family = "vae",
    steps: int | None = None,
    batch: int | None = None,
    noise_multiplier: float | None = None,
    groups: str | Path | None = None,
    records_per_group: int = RECORDS_PER_GROUP,
    seed: int = 0,
    device: str = "auto",
    execution: Execution | None = None,
    canaries: int = DEFAULT_COUNT,
    resume: bool = False,
    data_root: str | Path | None = None,
    size: int | None = None,
    download: bool = False,
    keys: str | Path = "keys",
    ledger: str | Path = "ledger.db",
    budget: str | None = None,
    unsafe_seeded_noise: int | None = None,
    progress: Progress = silent,
) -> Model:
    """Train a generator on records within a privacy budget, and package it.

    Args:
        data: a data set, or the name or path of one (`data.sources.load`).
        out: folder of the new package; it must not hold one already.
        epsilon: the most that the run may cost.
        delta: below 1/n; 1 / (n ln n) by default.
        model: `vae` or `gan`.
        steps: private steps; the preset's by default.
        batch: expected units in a step; the preset's by default.
        noise_multiplier: sought for `epsilon` by default; when given, training stops at the step
            that the budget no longer pays for.
        groups: a CSV file that says which group each record belongs to (`data.groups`); then a
            group is the privacy unit.
        records_per_group: records of a group in a step at most.
        seed: of first weights; noise and sampling have none.
        device: `auto`, `cpu` or `cuda`.
        execution: speed and memory; none of it changes epsilon.
        canaries: made-up units for the lower bound on epsilon; 0 for none, and no bound.
        resume: go on with the interrupted run in `out`, which was decided when it began.
        data_root: where the public benchmarks lie.
        size: pixels a side to resize to.
        download: let torchvision fetch a missing benchmark.
        keys: who signs the package.
        ledger: where it is logged.
        budget: where the data set's spending is kept; the user's own by default.
        unsafe_seeded_noise: a seed for the noise: voids the guarantee, and the certificate says
            so; for tests only.
        progress: told how far the work is.

    Returns:
        The packaged model, ready to generate.

    Raises:
        DataError: the data set is not there or does not fit.
        PlanError: no mechanism can honour the plan.
        BudgetRefused: the data set's budget does not allow it.
        KeyMaterialError: nothing can be signed with these keys.
        StorageError: a place cannot be written, or holds a package already.
        TrainingError: a gradient is not finite.
    """
    wishes = Wishes(
        epsilon=epsilon,
        delta=delta,
        model=model,
        steps=steps,
        batch=batch,
        noise_multiplier=noise_multiplier,
        records_per_group=records_per_group,
        seed=seed,
        canaries=canaries,
        unsafe_seeded_noise=unsafe_seeded_noise,
    )
    folder = Path(out)
    with joined(_device(device)) as processes:
        execution = execution or Execution()
        if not processes.first:
            records = _load(data, data_root, size, download, groups)
            _follow(records, processes, execution)
        else:
            publisher = Publisher(folder=folder, signer=_signer(keys), log=Ledger(ledger))
            storage.require_writable(folder)
            with checkpoint.alone(folder):
                _require_room(folder, resume=resume)
                progress("loading", 0, 1)
                records = _load(data, data_root, size, download, groups)
                progress("loading", 1, 1)
                run = _Run(records, Budget(budget), publisher, processes, execution, progress)
                if resume:
                    run.resume()
                else:
                    run.begin(wishes)
        processes.tell(value=True)  # the package is written
    return load(folder, keys=keys, ledger=ledger)


@dataclass(frozen=True, slots=True)
class _Run:
    """The first process's part: it decides, keeps the books and publishes."""

    data: DataSet
    budget: Budget
    publisher: Publisher
    processes: Processes
    execution: Execution
    progress: Progress

    def begin(self, wishes: Wishes) -> None:
        """Plan, rehearse, take the grant, and train from the first step."""
        self.progress("planning", 0, 1)
        chosen = preset(wishes.model, self.data.card)
        plan = _plan(wishes, chosen, self.data)
        self._rehearse(plan, chosen)
        self.progress("planning", 1, 1)
        facts = RunFacts(
            plan=plan,
            token=secrets.token_hex(16),
            data_digest=self.data.card.digest,
            grouping=self.data.grouping,
            architecture=chosen.architecture,
            recipe=chosen.recipe,
            seed=wishes.seed,
            canaries=wishes.canaries,
            release_key=f"{noise.new_key():032x}",
            unsafe_seeded_noise=wishes.unsafe_seeded_noise,
        )
        self._train(facts, None)

    def _rehearse(self, plan: PrivacyPlan, chosen: Preset) -> None:
        shape = self.data.card.shape
        settings = Settings(
            execution=self.execution, processes=Processes(device=self.processes.device)
        )
        rehearse(
            throwaway(plan, chosen.architecture, chosen.recipe, settings),
            plan,
            (shape.channels, shape.height, shape.width),
        )

    def resume(self) -> None:
        """Go on where an interrupted run was, with all that it may have run counted."""
        if (self.publisher.folder / DIGESTS).exists():
            self.publisher.complete()
        else:
            standing, tensors = checkpoint.read(self._checkpoint)
            if not _begun_with(standing.facts, self.data):
                raise StorageError(
                    f"the run in {self.publisher.folder} is of other records than "
                    f"{self.data.card.name}, or of another size or grouping of them; name the data "
                    "set as when it was begun"
                )
            self._train(standing.facts, (standing.claimed, tensors))
        checkpoint.remove(self._checkpoint)

    def _train(self, facts: RunFacts, resumed: Resumed | None) -> None:
        facts, resumed = self.processes.tell((facts, resumed))
        made = _made_up(facts)
        training = _training(facts, self.data, self.processes, self.execution, made, resumed)

        def keep(counted: int, claimed: int, tensors: Mapping[str, Tensor]) -> None:
            standing = Standing(
                facts=facts,
                counted=counted,
                claimed=claimed,
                events=facts.plan.step_events(claimed),
            )
            checkpoint.keep(self._checkpoint, standing, tensors)

        if resumed is None:
            keep(0, 0, training.tensors())
        grant = self._grant(facts, resumed)
        trained = training.run(
            self.data, key=int(facts.release_key, 16), keep=keep, progress=self.progress
        )
        assert trained is not None  # the first process finishes
        self.budget.settle(grant.number, trained.events)
        card = published(self.data.card, grant.salt)
        self.publisher.publish(trained, facts, card, made)
        checkpoint.remove(self._checkpoint)

    def _grant(self, facts: RunFacts, resumed: Resumed | None) -> Grant:
        """The run's one grant: taken now, or when it began.

        Raises:
            BudgetRefused: the data set's budget does not allow it.
            StorageError: the ledger cannot be used, or the run was finished from another copy.
        """
        grouping = self.data.grouping
        try:
            grant = self.budget.grant(
                facts.plan, self.data.card, grouping=grouping, token=facts.token
            )
        except SafegenError:
            if resumed is None:
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


def _begun_with(facts: RunFacts, data: DataSet) -> bool:
    """Whether a run was begun with these records, in this shape, under these units."""
    made, plan, card = facts.architecture, facts.plan, data.card
    return (
        facts.data_digest == card.digest
        and (made.height, made.width) == (card.shape.height, card.shape.width)
        and (plan.unit, plan.units) == (card.unit, card.units)
        and facts.grouping == data.grouping
    )


def _follow(data: DataSet, processes: Processes, execution: Execution) -> None:
    """The other processes' part: train along with the first."""
    facts, resumed = processes.told()
    if not _begun_with(facts, data):
        raise DataError("this process found other records than the first; give all the same ones")
    training = _training(facts, data, processes, execution, _made_up(facts), resumed)
    training.run(data, key=0, progress=silent)


def _plan(wishes: Wishes, chosen: Preset, data: DataSet) -> PrivacyPlan:
    by_group = data.card.unit == "group"
    return plan_within(
        epsilon=wishes.epsilon,
        delta=wishes.delta,
        units=data.card.units,
        expected_batch_size=chosen.expected_batch_size if wishes.batch is None else wishes.batch,
        steps=chosen.steps if wishes.steps is None else wishes.steps,
        clipping_norm=chosen.clipping_norm,
        noise_multiplier=wishes.noise_multiplier,
        release_share=chosen.release_share,
        unit=data.card.unit,
        records_per_unit=_records_per_group(wishes, data) if by_group else 1,
    )


def _records_per_group(wishes: Wishes, data: DataSet) -> int:
    """As many as wished, and no more than the largest group has."""
    assert data.groups is not None
    return min(wishes.records_per_group, int(np.bincount(data.groups).max()))


def _training(
    facts: RunFacts,
    data: DataSet,
    processes: Processes,
    execution: Execution,
    made_up: Canaries | None,
    resumed: Resumed | None,
) -> Training:
    """Networks and engine of a run; its seed fixes first weights and nothing after them."""
    with _first_weights(facts.seed, processes.device):
        objective = _objective(facts.architecture, facts.recipe, processes)
    settings = Settings(
        execution=execution,
        processes=processes,
        canaries=made_up,
        unsafe_seeded_noise=facts.unsafe_seeded_noise,
    )
    return Training(
        objective,
        facts.plan,
        facts.recipe,
        groups=data.groups,
        settings=settings,
        resumed=resumed,
    )


def throwaway(
    plan: PrivacyPlan, architecture: Architecture, recipe: Recipe, settings: Settings
) -> Training:
    """Networks and engine of a run that never sees a record."""
    with _first_weights(0, settings.processes.device):
        objective = _objective(architecture, recipe, settings.processes)
    groups = None
    if plan.unit == "group":  # any will do: nobody is drawn
        groups = np.arange(plan.units)
    return Training(objective, plan, recipe, groups=groups, settings=settings)


@contextlib.contextmanager
def _first_weights(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's own randomness: from the seed inside, as it was before outside."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _objective(architecture: Architecture, recipe: Recipe, processes: Processes) -> Objective:
    family = VaeObjective if architecture.family == "vae" else GanObjective
    return family(architecture, recipe, processes)


def _made_up(facts: RunFacts) -> Canaries | None:
    return Canaries(facts.canaries) if facts.canaries else None


def _signer(keys: str | Path) -> FileSigner:
    """Who will sign the package, tried before anything is spent."""
    signer = open_signer(keys)
    signer.sign(b"a trial before anything is spent")
    if signer.anchor is None:
        raise KeyMaterialError(f"no root.pem in {keys}: the new package could not be trusted")
    return signer


def _load(
    data: str | Path | DataSet,
    data_root: str | Path | None,
    size: int | None,
    download: bool,
    groups: str | Path | None,
) -> DataSet:
    if isinstance(data, DataSet):
        return data if groups is None else read_groups(Path(groups), data)
    return load_data(
        data,
        data_root=None if data_root is None else Path(data_root),
        size=size,
        download=download,
        groups=None if groups is None else Path(groups),
    )


def _require_room(folder: Path, *, resume: bool) -> None:
    """A new run needs a folder without one; a resumed run needs one."""
    begun, done = (folder / checkpoint.NAME).exists(), (folder / DIGESTS).exists()
    if resume and not begun:
        raise StorageError(
            f"{folder} holds {'a finished model' if done else 'no interrupted run'}; leave out "
            "--resume" + (", and name a new folder with --out" if done else "")
        )
    if not resume and done:
        raise StorageError(f"{folder} already holds a model; name a new folder with --out")
    if not resume and begun:
        raise StorageError(
            f"{folder} holds an interrupted run: go on with it with --resume, or name a new folder "
            "with --out"
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in {"cpu", "cuda"}:
        raise PlanError(f"no device {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise PlanError("no CUDA device is available here; choose --device cpu or auto")
    return torch.device(name)
