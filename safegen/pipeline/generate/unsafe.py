"""The one way around release: raw samples, with a warning and an entry in the ledger."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import torch

from safegen.errors import RequestError, UnsafeWarning
from safegen.pipeline.generate.in_force import require_model
from safegen.pipeline.generate.request import parse_request
from safegen.schemas.canonical import sha256
from safegen.schemas.log import LogEntry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safegen.models.generator import LatentGenerator
    from safegen.package.files import Package
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.log.ledger import Ledger


def unsafe_sample(
    opened: Package,
    generator: LatentGenerator,
    signer: Signer,
    ledger: Ledger,
    *,
    count: int,
    reason: str,
    label: int | str | None,
    seed: int | None,
) -> NDArray[np.float32]:
    """Sample as `Model.unsafe_sample` describes; logged before anything is returned."""
    if not reason.strip():
        raise RequestError("say what raw samples are for (reason=...); it is logged")
    require_model(opened, ledger)
    requests = parse_request(
        count=count, purpose=reason, label=label, seed=seed, classes=opened.config.data.classes
    )
    with torch.no_grad():
        samples: NDArray[np.float32] = generator.sample(
            torch.tensor([request.label for request in requests]), requests[0].seed
        ).numpy()
    log_unsafe(opened, signer, ledger, data=samples.tobytes(), note=requests[0].purpose)
    warnings.warn(
        f"{count} samples of {opened.config.name} leave unsigned and unexplained, by no policy's "
        "leave; the ledger says so. Use generate() for what others will see.",
        UnsafeWarning,
        stacklevel=4,  # of whoever called `Model.unsafe_sample`, past its check of arguments
    )
    return samples


def log_unsafe(opened: Package, signer: Signer, ledger: Ledger, *, data: bytes, note: str) -> None:
    """Tell the log that something of a model leaves which no policy allowed.

    Raises:
        StorageError: it could not be logged.
    """
    entry = LogEntry(
        kind="unsafe_sample",
        file_digest=sha256(data),
        model_digest=opened.digest,
        policy_digest=None,
        note=note,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    ledger.append([entry], signer=signer, in_force=[("model", opened.digest)])
