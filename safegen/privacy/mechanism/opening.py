"""Where the seal on records is opened; only `engine` and `releases` may import this.

An import contract holds that (`pyproject.toml`), so that whoever wants to look at a record has to
come through a noisy step or a planned release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.privacy.mechanism.sampling import ABSENT_ROW

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.privacy.mechanism.sealed import PrivateRecords, PrivateVectors, Vectors

    Numbers = NDArray[np.int64]


def groups_of(records: PrivateRecords) -> Numbers | None:
    """The unit of each record, (records,), int64; None when records are units."""
    return records._held.groups  # noqa: SLF001 - the door


def places_of(records: PrivateRecords, numbers: Numbers) -> Numbers:
    """The rows of records by their numbers, (n,), int64; `ABSENT_ROW` where there is none."""
    places = records._held.places  # noqa: SLF001 - the door
    if not len(places):
        return np.full(len(numbers), ABSENT_ROW, dtype=np.int64)
    return np.where(numbers == ABSENT_ROW, ABSENT_ROW, places[numbers])


def rows_of(records: PrivateRecords, places: Numbers) -> tuple[Tensor, Tensor]:
    """Samples (n, *dimensions), float32 in [0, 1], and labels (n,), int64.

    An absent row is all 0 and has the first label, so that it tells of nobody; the engine takes its
    loss out again.
    """
    held = records._held  # noqa: SLF001 - the door
    there = torch.from_numpy(places != ABSENT_ROW).to(held.labels.device)
    numbers = torch.from_numpy(np.maximum(places, 0)).to(held.labels.device)
    if bool(there.all()):
        return held.seen(held.stored[numbers]), held.labels[numbers]
    samples = torch.zeros(
        len(places), *held.stored.shape[1:], dtype=torch.float32, device=held.labels.device
    )
    labels = torch.zeros(len(places), dtype=torch.int64, device=held.labels.device)
    samples[there] = held.seen(held.stored[numbers[there]])
    labels[there] = held.labels[numbers[there]]
    return samples, labels


def vectors_of(vectors: PrivateVectors) -> Vectors:
    """Each record's numbers, label and unit."""
    return vectors._held  # noqa: SLF001 - the door
