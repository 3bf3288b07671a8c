"""Samples to files: the label that people see, and then the file's own format.

What else marks the values, such as a watermark, comes after the label and before the file. Screens
measure what is beneath: a label is as sharp and as bright as can be, whatever was generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safegen.modality.base import labelling_of
from safegen.policy.labels import least_contrast

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.policy.policy import Policy
    from safegen.schemas.label import VisibleLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One sample as it will leave, but for its manifest.

    Attributes:
        encoded: the file.
        stored: the values in it, (*dimensions).
        label: as it was drawn, with the contrast that the file has; None without one.
    """

    encoded: bytes
    stored: NDArray[Any]
    label: VisibleLabel | None


def planned_label(policy: Policy, modality: Modality) -> VisibleLabel | None:
    """The label that a policy wants, as outputs will carry it; None where it wants none.

    Raises:
        RequestError: such outputs cannot carry it.
    """
    if policy.label is None:
        return None
    return labelling_of(modality).plan_label(policy.label)


def finish(
    sample: NDArray[Any], modality: Modality, label: VisibleLabel | None, policy: Policy
) -> Finished:
    """Turn one sample (*dimensions), in [0, 1], into its file."""
    if label is None or policy.label is None:
        encoded = modality.encode(sample)
        return Finished(encoded=encoded, stored=modality.decode(encoded), label=None)
    labelling = labelling_of(modality)
    labelled, drawn = labelling.with_label(sample, label, least_contrast(policy.label))
    encoded = modality.encode(labelled)
    stored = modality.decode(encoded)
    contrast = round(labelling.label_contrast(stored, drawn), 2)
    return Finished(
        encoded=encoded, stored=stored, label=drawn.model_copy(update={"contrast": contrast})
    )
