"""Records under seal: what trains may be given them, and cannot look at them.

Only two doors open them (`opening`): the engine, for a noisy step, and `Releases`, for a noisy
statistic. What is computed from each record, such as its code, stays under the same seal. All that
can be asked in the open is what is public by assumption: the shape of a sample.

>>> records = PrivateRecords(np.zeros((3, 1, 28, 28), dtype=np.uint8), np.arange(3))
>>> records.shape
(1, 28, 28)
>>> records.derived(lambda samples, labels: samples.flatten(1).double().numpy(), rows=2)
PrivateVectors(under seal)
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from safegen.privacy.mechanism.sampling import ABSENT_ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    Numbers = NDArray[np.int64]
    Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a seal keeps of records.

    Attributes:
        stored: (present, *dimensions), as the kind of data stores samples.
        labels: (present,), int64.
        groups: (records,), int64, the unit of each record; None when records are units.
        places: (records,), int64, the row of each record; `ABSENT_ROW` where it was taken out.
        to_float: what training sees of stored values (`modality.base.Modality.to_float`).
    """

    stored: Tensor
    labels: Tensor
    groups: Numbers | None
    places: Numbers
    to_float: Callable[[Tensor], Tensor]

    def seen(self, stored: Tensor) -> Tensor:
        """What training sees of stored values, float32 in [0, 1]."""
        return self.to_float(stored).float()

    @property
    def present(self) -> Numbers:
        """Numbers of the records that are there, in order."""
        return np.flatnonzero(self.places != ABSENT_ROW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """What a seal keeps of numbers that were computed from each record.

    Attributes:
        values: (present, dimensions), float32 or float64.
        labels: (present,), int64.
        groups: (present,), int64, the unit of each; None when records are units.
    """

    values: Values
    labels: Numbers
    groups: Numbers | None


def of_bytes(stored: Tensor) -> Tensor:
    """Values of 8 bits as numbers in [0, 1]."""
    return stored / 255


class PrivateRecords:
    """Samples and labels that only the engine and `Releases` can open."""

    __slots__ = ("_held",)

    def __init__(
        self,
        stored: ArrayLike | Tensor,
        labels: ArrayLike | Tensor,
        groups: Numbers | None = None,
        *,
        to_float: Callable[[Tensor], Tensor] = of_bytes,
    ) -> None:
        """Put records under seal.

        Args:
            stored: (n, *dimensions), as their kind of data stores them; of pictures channels,
                height and width, uint8.
            labels: (n,), int64.
            groups: (n,), int64, the unit of each record; None when records are units.
            to_float: what training sees of stored values; of 8 bits by default.
        """
        shown = torch.as_tensor(stored)
        self._held = Rows(
            stored=shown,
            labels=torch.as_tensor(labels),
            groups=groups,
            places=np.arange(len(shown)),
            to_float=to_float,
        )

    def __repr__(self) -> str:
        return "PrivateRecords(under seal)"

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions of a sample; public by assumption."""
        return tuple(self._held.stored.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where they are held."""
        return self._held.labels.device

    def to(self, device: torch.device) -> PrivateRecords:
        """The same records, held elsewhere."""
        held = self._held
        return _sealed(held, held.stored.to(device), held.labels.to(device), held.places)

    def without(self, units: Iterable[int]) -> PrivateRecords:
        """A neighbour: some units' records are gone, and all others keep their numbers.

        What is public, such as the number of units in a plan, stays what it is: neighbours differ
        by records that are there or not (`docs/privacy.md`).
        """
        held = self._held
        unit = np.arange(len(held.places)) if held.groups is None else held.groups
        kept = (held.places != ABSENT_ROW) & ~np.isin(unit, list(units))
        chosen = torch.from_numpy(held.places[kept]).to(self.device)
        places = np.full(len(kept), ABSENT_ROW, dtype=np.int64)
        places[kept] = np.arange(int(kept.sum()))
        return _sealed(held, held.stored[chosen], held.labels[chosen], places)

    def derived(self, make: Callable[[Tensor, Tensor], Values], *, rows: int) -> PrivateVectors:
        """Numbers computed from each record, under the same seal.

        Args:
            make: from samples (n, *dimensions), float32 in [0, 1], and labels (n,), to
                (n, dimensions); each row of its own record alone, which rehearsals measure.
            rows: how many records it is given at a time.
        """
        held = self._held
        count = len(held.labels)
        parts = [
            make(held.seen(held.stored[start : start + rows]), held.labels[start : start + rows])
            for start in range(0, count, rows)
        ]
        if not count:  # so that nobody has as many dimensions as somebody
            blank = torch.zeros(1, *self.shape, device=self.device)
            parts = [make(blank, torch.zeros(1, dtype=torch.int64, device=self.device))[:0]]
        return PrivateVectors(
            Vectors(
                values=np.concatenate(parts),
                labels=held.labels.cpu().numpy(),
                groups=None if held.groups is None else held.groups[held.present],
            )
        )

    def order(self) -> str:
        """A digest of records, labels and groups in their order; secret, as the records are.

        For processes to agree on, and nothing else.
        """
        held = self._held
        groups = np.arange(0) if held.groups is None else held.groups
        found = hashlib.sha256()
        for part in (held.stored.cpu().numpy(), held.labels.cpu().numpy(), groups, held.places):
            found.update(f"{part.shape} {part.dtype} ".encode())
            found.update(np.ascontiguousarray(part).tobytes())
        return found.hexdigest()


class PrivateVectors:
    """Numbers of each record that only `Releases` can open."""

    __slots__ = ("_held",)

    def __init__(self, held: Vectors) -> None:
        self._held = held

    def __repr__(self) -> str:
        return "PrivateVectors(under seal)"

    def mapped(self, make: Callable[[Values], Values]) -> PrivateVectors:
        """Other numbers made of each record's own, (present, dimensions) to (present, others)."""
        held = self._held
        return PrivateVectors(
            Vectors(values=make(held.values), labels=held.labels, groups=held.groups)
        )

    def relabelled(self, make: Callable[[Values, Numbers], Numbers]) -> PrivateVectors:
        """The same numbers under labels that are made of each record's own numbers and label."""
        held = self._held
        return PrivateVectors(
            Vectors(values=held.values, labels=make(held.values, held.labels), groups=held.groups)
        )


def _sealed(held: Rows, stored: Tensor, labels: Tensor, places: Numbers) -> PrivateRecords:
    made = PrivateRecords(stored, labels, held.groups, to_float=held.to_float)
    made._held = dataclasses.replace(  # noqa: SLF001 - its own maker
        held, stored=stored, labels=labels, places=places
    )
    return made
