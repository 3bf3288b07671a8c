"""Data set to certified model package: who trains, with what, and where it goes.

The run itself is in `run`. Started by torchrun, several processes train together; the first keeps
the books.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from safegen import storage
from safegen.arguments import checked
from safegen.config.old_names import old_names
from safegen.config.privacy import PrivacyConfig
from safegen.config.training import TrainingConfig
from safegen.config.training_guard import TrainingGuard
from safegen.config.workspace import Workspace
from safegen.data.dataset import DataSet
from safegen.errors import InputError, KeyMaterialError, PlanError, StorageError
from safegen.pipeline.generate.model import Model, load
from safegen.pipeline.train.admission import require_allowed
from safegen.pipeline.train.planning import as_data, like, with_pictures
from safegen.pipeline.train.publish import Publisher
from safegen.pipeline.train.run import Run, train_as_follower
from safegen.pipeline.train.sealing import sealed
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.execution.processes import process_group
from safegen.privacy.execution.settings import Execution
from safegen.progress import Progress, silent
from safegen.provenance.c2pa.timestamps import Stamping
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.names import DIGESTS
from safegen.training import checkpoint
from safegen.training.events import Callback, Callbacks, shown_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.privacy.execution.settings import Device
    from safegen.provenance.keys.signer import Signer


@checked
def resume(
    out: str | Path,
    data: DataSet | str | Path,
    *,
    execution: Execution | None = None,
    workspace: Workspace | None = None,
    callbacks: Iterable[Callback] = (),
    progress: Progress = silent,
) -> Model:
    """Go on with an interrupted run, which was decided when it began.

    Args:
        out: its folder.
        data: the same records, loaded in the same way.
        execution: speed and memory, which may be others than before.
        workspace: the same places, above all the same budget.
        callbacks: hear what the run does, as typed events (`safegen.training.events`).
        progress: told how far the work is.

    Returns:
        The packaged model, ready to generate.

    Raises:
        StorageError: no run was interrupted there, or it was of other records or another budget.
        TrainingError: a gradient is not finite.
    """
    return _finished(
        Path(out),
        data,
        execution,
        workspace,
        callbacks,
        progress,
        lambda run, _: run.resume(),
        resumed=True,
    )


@old_names(resume=resume)
@checked
def train(  # noqa: PLR0913 - the door; what it takes is described in its configurations
    data: DataSet | str | Path,
    *,
    out: str | Path,
    epsilon: float | None = None,
    privacy: PrivacyConfig | None = None,
    training: TrainingConfig | None = None,
    execution: Execution | None = None,
    workspace: Workspace | None = None,
    guard: TrainingGuard | None = None,
    callbacks: Iterable[Callback] = (),
    progress: Progress = silent,
) -> Model:
    """Train a generator on records within a privacy budget, and package it.

    Args:
        data: a data set, or the name or path of one, as `safegen.load_data` takes it.
        out: folder of the new package; it must not hold one already.
        epsilon: short for `privacy=PrivacyConfig(epsilon=...)`.
        privacy: what is promised; fields and defaults are told there, as for those that follow.
        training: what is trained, and from where.
        execution: speed and memory; none of it changes epsilon.
        workspace: whose keys sign, which ledger and which budget know of it. When the authority
            that it names for time-stamps does not answer, the package goes without
            (`Model.time_stamp`).
        guard: policies that must allow it before its budget is touched; none are asked by default.
        callbacks: hear what the run does, as typed events (`safegen.training.events`).
        progress: told how far the work is.

    Returns:
        The packaged model, ready to generate.

    Raises:
        InputError: epsilon is given twice.
        DataError: the data set is not there or does not fit.
        PlanError: no mechanism can honour the plan.
        PolicyError: a policy of the guard does not load.
        Refused: the guard's policies say no; nothing was spent.
        BudgetRefused: the data set's budget does not allow it.
        KeyMaterialError: nothing can be signed with these keys.
        StorageError: a place cannot be written, or holds a package already.
        TrainingError: a gradient is not finite.
    """
    promised, trained = _promised(epsilon, privacy), training or TrainingConfig()

    def begin(run: Run, records: DataSet) -> None:
        if guard is not None:
            require_allowed(records.card, promised, guard)
        run.begin(promised, with_pictures(trained, like(records)))

    return _finished(
        Path(out), data, execution, workspace, callbacks, progress, begin, resumed=False
    )


def _promised(epsilon: float | None, privacy: PrivacyConfig | None) -> PrivacyConfig:
    if epsilon is None:
        return privacy or PrivacyConfig()
    if privacy is not None:
        raise InputError("epsilon is given beside privacy, which has one; say it there alone")
    return dataclasses.replace(PrivacyConfig(), epsilon=epsilon)


def _finished(
    folder: Path,
    data: DataSet | str | Path,
    execution: Execution | None,
    workspace: Workspace | None,
    callbacks: Iterable[Callback],
    progress: Progress,
    go: Callable[[Run, DataSet], None],
    *,
    resumed: bool,
) -> Model:
    """Go through a run in this process, or along with the first, and open what it leaves."""
    execution, workspace = execution or Execution(), workspace or Workspace()
    with process_group(_device(execution.device)) as processes:
        if not processes.first:
            train_as_follower(sealed(as_data(data)), processes, execution)
        else:
            publisher = Publisher(
                folder=folder,
                signer=_signer(workspace.keys),
                stamping=Stamping(workspace.timestamp_url),
                log=Ledger(workspace.ledger),
            )
            storage.require_writable(folder)
            with checkpoint.exclusive_lock(folder):
                _require_room(folder, resume=resumed)
                progress("loading", 0, 1)
                records = as_data(data)
                progress("loading", 1, 1)
                budget, told = Budget(workspace.budget), Callbacks([shown_by(progress), *callbacks])
                run = Run(sealed(records), budget, publisher, processes, execution, told)
                with told.refusals():
                    go(run, records)
        processes.broadcast(value=True)  # the package is written
    return load(folder, workspace=workspace)


def _signer(keys: str | Path) -> Signer:
    """Who will sign the package, tried before anything is spent."""
    signer = open_signer(keys)
    if signer.anchor is None:
        raise KeyMaterialError(
            f"{keys} names no root, so the new package could not be trusted; add root.pem, or "
            "trust=root.pem to the URI"
        )
    return signer


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


def _device(name: Device) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise PlanError("no CUDA device is available here; choose --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
