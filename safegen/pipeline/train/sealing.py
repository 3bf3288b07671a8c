"""Records as a run may have them: under seal, beside what is public of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.modality.registry import modality_of
from safegen.privacy.mechanism.sealed import PrivateRecords

if TYPE_CHECKING:
    from safegen.data.dataset import DataSet
    from safegen.schemas.card import DataCard


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A data set from the moment on that it may be trained on.

    Attributes:
        card: of the data set; its digest is for the budget's eyes only, until it is salted.
        grouping: a digest of who belongs together, likewise; None when records are units.
        records: under seal.
    """

    card: DataCard
    grouping: str | None
    records: PrivateRecords


def sealed(data: DataSet) -> TrainingData:
    """A data set under seal."""
    return TrainingData(
        card=data.card,
        grouping=data.grouping,
        records=PrivateRecords(
            data.images,
            data.labels,
            data.groups,
            to_float=modality_of(data.card.shape).to_float,
        ),
    )
