"""Samples to files: the label that people see, and then the file's own format.

What else marks the values, such as a watermark, comes after the label and before the file. Screens
measure what is beneath: a label is as sharp and as bright as can be, whatever was generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from safegen.modality.base import labelling_of
from safegen.policy.labels import least_contrast

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.pipeline.generate.marking import Encoded, Marking
    from safegen.policy.policy import Policy
    from safegen.schemas.label import VisibleLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """One sample as it will leave, but for its manifest.

    Attributes:
        encoded: the file, and the mark in its pixels.
        label: as it was drawn, with the contrast that the file has; None without one.
    """

    encoded: Encoded
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
    samples: NDArray[Any], marking: Marking, label: VisibleLabel | None, policy: Policy
) -> list[Finished]:
    """Turn samples (count, *dimensions), in [0, 1], into their files."""
    if label is None or policy.label is None:
        return [Finished(encoded=each, label=None) for each in marking.encode(samples)]
    labelling, contrast = labelling_of(marking.modality), least_contrast(policy.label)
    labelled = [labelling.with_label(each, label, contrast) for each in samples]
    encoded = marking.encode(np.stack([each for each, _ in labelled]))
    finished = []
    for each, (_, drawn) in zip(encoded, labelled, strict=True):
        seen = round(labelling.label_contrast(each.stored, drawn), 2)
        finished.append(Finished(encoded=each, label=drawn.model_copy(update={"contrast": seen})))
    return finished
