"""Data set to certified model package.

    1. Load the records; their card fixes the privacy unit and the digest.
    2. Plan: bind sampling, clipping, noise and accounting in one frozen value.
    3. Take a grant from the data set's budget, before the first step.
    4. Train; count what ran; settle the grant with it.
    5. Certify, pack, sign the package, write it, log it.

Everything that can be refused is refused before step 3, so that a mistake costs no budget.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from safegen import package, storage
from safegen.data.dataset import DataSet
from safegen.data.sources import load as load_data
from safegen.errors import KeyMaterialError, PlanError, StorageError
from safegen.pipeline.model import Model, load
from safegen.pipeline.request import LARGEST_SEED
from safegen.privacy.budget import Budget
from safegen.privacy.certify import certify
from safegen.privacy.plan import PrivacyPlan, plan_within
from safegen.progress import Progress, silent
from safegen.provenance.claims import model_claim
from safegen.provenance.ledger import Ledger
from safegen.provenance.manifest import sign_beside
from safegen.provenance.signer import FileSigner, open_signer
from safegen.records.card import published
from safegen.records.config import Family, PackageConfig
from safegen.records.names import DIGESTS
from safegen.training.adversarial import GanObjective
from safegen.training.elbo import VaeObjective
from safegen.training.loop import Objective, Trained, train_privately
from safegen.training.recipe import Preset, preset

if TYPE_CHECKING:
    from safegen.privacy.budget import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run, fully decided, before it touches a record."""

    data: DataSet
    plan: PrivacyPlan
    preset: Preset
    device: torch.device
    seed: int


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
    seed: int = 0,
    device: str = "auto",
    data_root: str | Path | None = None,
    size: int | None = None,
    download: bool = False,
    keys: str | Path = "keys",
    ledger: str | Path = "ledger.db",
    budget: str | None = None,
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
        batch: expected records in a step; the preset's by default.
        noise_multiplier: sought for `epsilon` by default; when given, training stops at the step
            that the budget no longer pays for.
        seed: of first weights; noise and sampling have none.
        device: `auto`, `cpu` or `cuda`.
        data_root: where the public benchmarks lie.
        size: pixels a side to resize to.
        download: let torchvision fetch a missing benchmark.
        keys: who signs the package.
        ledger: where it is logged.
        budget: where the data set's spending is kept; the user's own by default.
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
    folder, signer = Path(out), open_signer(keys)
    signer.sign(b"a trial before anything is spent")
    if signer.anchor is None:
        raise KeyMaterialError(f"no root.pem in {keys}: the new package could not be trusted")
    _require_seed(seed)
    _require_room(folder)
    progress("loading", 0, 1)
    records = _load(data, data_root, size, download)
    progress("loading", 1, 1)
    chosen = preset(model, records.card)
    progress("planning", 0, 1)
    plan = plan_within(
        epsilon=epsilon,
        delta=delta,
        records=len(records),
        expected_batch_size=chosen.expected_batch_size if batch is None else batch,
        steps=chosen.steps if steps is None else steps,
        clipping_norm=chosen.clipping_norm,
        noise_multiplier=noise_multiplier,
        release_share=chosen.release_share,
    )
    progress("planning", 1, 1)
    run = _Run(data=records, plan=plan, preset=chosen, device=_device(device), seed=seed)
    log, spending = Ledger(ledger), Budget(budget)
    grant = spending.grant(plan, records.card)
    trained = _train(run, progress)
    spending.settle(grant, trained.events)
    _publish(folder, run, trained, grant, signer, log)
    return load(folder, keys=keys, ledger=ledger)


def _train(run: _Run, progress: Progress) -> Trained:
    """Train; the seed fixes first weights and nothing that comes after them."""
    devices = [run.device] if run.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(run.seed)
        objective = _objective(run)
        torch.manual_seed(secrets.randbits(63))
        return train_privately(
            objective,
            run.data,
            run.plan,
            run.preset.recipe,
            device=run.device,
            progress=progress,
        )


def _objective(run: _Run) -> Objective:
    family = VaeObjective if run.preset.architecture.family == "vae" else GanObjective
    return family(run.preset.architecture, run.preset.recipe, run.device)


def _publish(
    folder: Path, run: _Run, trained: Trained, grant: Grant, signer: FileSigner, log: Ledger
) -> None:
    """Certify what ran, pack it, sign it, write it and log it."""
    card = published(run.data.card, grant.salt)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    certificate = certify(run.plan, trained.events, trained.steps_run, card)
    config = PackageConfig(
        name=f"{card.name}-{run.preset.architecture.family}",
        safegen=version("safegen"),
        created=now,
        architecture=run.preset.architecture,
        recipe=run.preset.recipe,
        seed=run.seed,
        data=card,
    )
    content = package.pack(trained.generator.state_dict(), config, certificate)
    claim = model_claim(
        name=config.name,
        certificate=certificate,
        digests=content.digests,
        mime=package.WEIGHTS_MIME,
    )
    manifest = sign_beside(content.weights, claim, signer)
    package.write(folder, content, manifest)
    log.append([package.log_entry(content, now)])


def _load(
    data: str | Path | DataSet, data_root: str | Path | None, size: int | None, download: bool
) -> DataSet:
    if isinstance(data, DataSet):
        return data
    root = None if data_root is None else Path(data_root)
    return load_data(data, data_root=root, size=size, download=download)


def _require_room(folder: Path) -> None:
    if (folder / DIGESTS).exists():
        raise StorageError(f"{folder} already holds a model; name a new folder with --out")
    storage.require_writable(folder)


def _require_seed(seed: int) -> None:
    if not 0 <= seed <= LARGEST_SEED:
        raise PlanError(f"the seed is {seed}; choose a whole number from 0 to 2^53 - 1")


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in {"cpu", "cuda"}:
        raise PlanError(f"no device {name!r}; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise PlanError("no CUDA device is available here; choose --device cpu or auto")
    return torch.device(name)
