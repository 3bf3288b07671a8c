"""Data set to certified model package: who trains, with what, and where it goes.

The run itself is in `run`. Started by torchrun, several processes train together; the first keeps
the books.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from safegen import storage
from safegen.arguments import checked
from safegen.data.dataset import DataSet
from safegen.data.groups import read_groups
from safegen.data.sources import load as load_data
from safegen.errors import DataError, KeyMaterialError, PlanError, StorageError
from safegen.pipeline.generate.model import Model, load
from safegen.pipeline.train.publish import Publisher
from safegen.pipeline.train.run import Run, follow
from safegen.pipeline.train.sealing import sealed
from safegen.privacy.accounting.budget import Budget
from safegen.privacy.accounting.plan import DEFAULT_CANARIES
from safegen.privacy.execution.processes import joined
from safegen.privacy.execution.settings import Execution
from safegen.progress import Progress, silent
from safegen.provenance.c2pa.timestamps import Stamping
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.config import Family, WarmStart
from safegen.schemas.names import DIGESTS
from safegen.training import checkpoint
from safegen.training.config import Wishes
from safegen.training.events import Callbacks, shown_by
from safegen.training.priors import PRIORS

if TYPE_CHECKING:
    from safegen.provenance.keys.signer import Signer


@checked
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
    records_per_group: int | None = None,
    seed: int = 0,
    device: str = "auto",
    execution: Execution | None = None,
    canaries: int = DEFAULT_CANARIES,
    prior: str | Path | DataSet = "auto",
    warm_start: WarmStart = "auto",
    resume: bool = False,
    data_root: str | Path | None = None,
    size: int | None = None,
    download: bool = False,
    keys: str | Path = "keys",
    ledger: str | Path = "ledger.db",
    budget: str | None = None,
    time_stamps: str | None = None,
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
        records_per_group: records of a group in a step at most; 4 by default.
        seed: of first weights; noise and sampling have none.
        device: `auto`, `cpu` or `cuda`.
        execution: speed and memory; none of it changes epsilon.
        canaries: made-up units for the lower bound on epsilon; 0 for none, and no bound.
        prior: what first weights are learnt from, at no cost: `strokes`, `silhouettes` or `leaves`,
            pictures that are drawn by code; a public data set, or the name or path of one; `none`;
            or `auto` for the preset's. The certificate names it.
        warm_start: `moments` learns from one-shot releases before the first step; `none` does not;
            `auto` is the preset's.
        resume: go on with the interrupted run in `out`, which was decided when it began.
        data_root: where the public benchmarks lie.
        size: pixels a side to resize to.
        download: let torchvision fetch a missing benchmark.
        keys: who signs the package.
        ledger: where it is logged.
        budget: where the data set's spending is kept; the user's own by default.
        time_stamps: address of an authority (RFC 3161) that stamps the package's signature; when
            it does not answer, the package goes without (`Model.time_stamp`).
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
    named, public = _prior(prior, data_root, size)
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
        prior=named,
        warm_start=warm_start,
        unsafe_seeded_noise=unsafe_seeded_noise,
    )
    folder = Path(out)
    with joined(_device(device)) as processes:
        execution = execution or Execution()
        if not processes.first:
            records = sealed(_load(data, data_root, size, download, groups))
            follow(records, processes, execution)
        else:
            publisher = Publisher(
                folder=folder,
                signer=_signer(keys),
                stamping=Stamping(time_stamps),
                log=Ledger(ledger),
            )
            storage.require_writable(folder)
            with checkpoint.alone(folder):
                _require_room(folder, resume=resume)
                progress("loading", 0, 1)
                records = sealed(_load(data, data_root, size, download, groups))
                progress("loading", 1, 1)
                run = Run(
                    records,
                    Budget(budget),
                    publisher,
                    processes,
                    execution,
                    Callbacks([shown_by(progress)]),
                )
                with run.callbacks.refusals():
                    if resume:
                        run.resume()
                    else:
                        run.begin(wishes, public)
        processes.tell(value=True)  # the package is written
    return load(folder, keys=keys, ledger=ledger)


def _signer(keys: str | Path) -> Signer:
    """Who will sign the package, tried before anything is spent."""
    signer = open_signer(keys)
    if signer.anchor is None:
        raise KeyMaterialError(
            f"{keys} names no root, so the new package could not be trusted; add root.pem, or "
            "trust=root.pem to the URI"
        )
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


def _prior(
    prior: str | Path | DataSet, data_root: str | Path | None, size: int | None
) -> tuple[str, DataSet | None]:
    """The prior's name, and its data set when it is one."""
    if not isinstance(prior, DataSet):
        if str(prior) in {"auto", "none", *PRIORS}:
            return str(prior), None
        try:
            prior = _load(prior, data_root, size, download=False, groups=None)
        except DataError as error:
            raise DataError(
                f"no prior {str(prior)!r}: choose auto, none, {', '.join(PRIORS)}, or a public "
                f"data set ({error})"
            ) from error
    return f"{prior.card.name} ({prior.card.digest})", prior


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
