"""What an interrupted run leaves, so that it can go on: weights and events in one file.

A checkpoint names the steps that may run before the next one is written. They are counted from
then on, whether they end up running or not: however the process dies, no certificate counts fewer
steps than ran.

The file is safetensors, for its owner's eyes only: it holds the state of a private run and the
key of its one-shot releases, so that one repeated after a crash is the same release. It holds no
stream of noise: only tensors whose names and types are known here are written or read, and a run
that goes on draws from streams of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import NonNegativeInt, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from safegen import storage
from safegen.errors import DataError, StorageError
from safegen.modality.registry import modality_of
from safegen.privacy.accounting.plan import PrivacyPlan, Purpose
from safegen.schemas.canonical import Record
from safegen.schemas.certificate import Event
from safegen.schemas.config import Architecture, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

NAME = "checkpoint.safetensors"
BEFORE_THE_STEPS = {"basis", "classes"}  # a VAE's releases, in runs that were begun with 0.1
_METADATA = "safegen"
# Weights and moments, which are floating-point numbers; counts; and public pictures. No more.
WEIGHTS = re.compile(
    r"(private/|average/w\.|objective/generator\.|start/)[a-z_0-9.]+"
    r"|(optimizer/|objective/moments\.)\d+\.(step|exp_avg|exp_avg_sq)"
    r"|canaries/scores"
)
COUNTS = re.compile(
    r"average/updates|draws/(units|sizes)|canaries/(included|heard)"
    r"|objective/balance\.(rung|waited)"
)
SAMPLES = re.compile(r"reference|objective/reference")


class RunFacts(Record):
    """What a run was decided to be; nothing of it changes while it runs.

    Attributes:
        plan: what is granted.
        token: names the run in the budget ledger, so that it takes its grant once.
        data_digest: of the records; secret.
        grouping: digest of which group each record is in; None when records are units.
        architecture: of the networks.
        recipe: what does not affect epsilon.
        seed: of the first weights.
        canaries: how many.
        release_key: of the noise in the one-shot releases, hex; secret.
        unsafe_seeded_noise: a seed for the steps' noise, in tests only.
    """

    plan: PrivacyPlan
    token: str
    data_digest: str
    grouping: str | None
    architecture: Architecture
    recipe: Recipe
    seed: NonNegativeInt
    canaries: NonNegativeInt
    release_key: str
    unsafe_seeded_noise: int | None = None


class Standing(Record):
    """How far a run is.

    Attributes:
        counted: steps that are behind it, or were lost to a crash.
        claimed: steps that may have run by the time anybody reads this; at least `counted`.
        events: those of the claimed steps.
        releases: how many were made, by purpose; None where an earlier version wrote this.
    """

    format: Literal["safegen.checkpoint/2"] = "safegen.checkpoint/2"
    facts: RunFacts
    counted: NonNegativeInt
    claimed: NonNegativeInt
    events: tuple[Event, ...]
    releases: dict[Purpose, int] | None = None

    def releases_made(self) -> dict[Purpose, int]:
        """How many releases were made; an earlier version made those before the steps in full."""
        if self.releases is not None:
            return self.releases
        gan = self.facts.architecture.family == "gan"
        return {
            each.purpose: each.count
            for each in self.facts.plan.releases
            if self.claimed and (gan or each.purpose in BEFORE_THE_STEPS)
        }


_STANDING: TypeAdapter[Standing] = TypeAdapter(Standing)


def keep(path: Path, standing: Standing, tensors: Mapping[str, Tensor]) -> None:
    """Write a checkpoint; the old one stays whole until the new one is.

    Raises:
        StorageError: it cannot be written.
        DataError: a tensor is none of those that a checkpoint holds.
    """
    storage.write(path, packed(standing, tensors), mode=0o600)


def packed(standing: Standing, tensors: Mapping[str, Tensor]) -> bytes:
    """A checkpoint's bytes.

    Raises:
        DataError: a tensor is none of those that a checkpoint holds.
    """
    _require_known(tensors, standing)
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(whole, metadata={_METADATA: standing.model_dump_json()})


def read(path: Path) -> tuple[Standing, dict[str, Tensor]]:
    """Read a checkpoint.

    Raises:
        StorageError: there is none.
        DataError: it is damaged, or another version's.
    """
    data = storage.read(path)
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        tensors = load(data)
        standing = _STANDING.validate_json(metadata[_METADATA])
        _require_known(tensors, standing)
    except (ValidationError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a checkpoint that can be resumed: it is damaged or was made by another "
            "version; what it was granted stays spent, and a new run needs a new folder"
        ) from error
    return standing, tensors


def _require_known(tensors: Mapping[str, Tensor], standing: Standing) -> None:
    """Refuse what is neither weights, nor counts, nor public samples: a stream's state, say.

    Raises:
        DataError: it names the tensor.
    """
    dimensions = modality_of(standing.facts.architecture.shape).dimensions
    for name, tensor in tensors.items():
        if WEIGHTS.fullmatch(name):
            known = tensor.is_floating_point()
        elif COUNTS.fullmatch(name):
            known = tensor.dtype in {torch.int64, torch.bool} and tensor.dim() <= 1
        else:
            known = bool(SAMPLES.fullmatch(name)) and tuple(tensor.shape[1:]) == dimensions
        if not known:
            raise DataError(
                f"{name} is nothing that a checkpoint holds: weights, moments, counts and public "
                "samples alone may come back, and never what noise is drawn from"
            )


def remove(path: Path) -> None:
    """Forget a checkpoint, whose run is finished."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Hold a folder's run for one process; the system lets go of it however the process ends.

    A folder that was made for this and stayed empty is removed again.

    Raises:
        StorageError: another process is training there.
    """
    made = not folder.exists()
    storage.make_folder(folder)
    path = folder / ".training.lock"
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}; choose another") from error
    try:
        if not _locked(handle, path):
            raise StorageError(
                f"another process is training in {folder}; wait for it, or name another folder"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if made:
                with contextlib.suppress(OSError):
                    folder.rmdir()
    finally:
        os.close(handle)


def _locked(handle: int, path: Path) -> bool:
    """Take the lock, on the file that is still there: its last holder may have removed it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(handle).st_ino == path.stat().st_ino
    except OSError:
        return False
