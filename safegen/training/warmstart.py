"""A warm start from one-shot releases: blurred pictures of each class, made without any record.

1. Write every record in the lowest frequencies of the cosine transform; release the second
moment of all (`basis`). Its first eigenvectors are a basis for these records.
2. Release every class's moments in that basis (`classes`).
3. Draw pictures from the classes' Gaussians. From here on nothing costs privacy: networks may
train on such pictures for as long as they like.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.fft import dctn, idctn

from safegen.privacy.release import Mechanism, class_moments
from safegen.training.latents import gaussians

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.privacy.plan import PrivacyPlan, Release
    from safegen.training.objective import Records

    Vectors = NDArray[np.float64]

WAVES = 12  # of height, and of width, that are kept
DIMENSIONS = 32  # of the basis
DRAWN = 20_000  # pictures
ROWS = 4096  # transformed at once


def warm_pictures(records: Records, classes: int, plan: PrivacyPlan, *, key: int) -> Tensor | None:
    """Release what is planned, and draw pictures of it.

    Args:
        records: all of them.
        classes: how many labels.
        plan: what was granted; its releases `basis` and `classes` are made.
        key: of the noise; the same key makes the same releases again.

    Returns:
        (DRAWN, channels, height, width), uint8, its classes in equal parts; None when the plan
        has no such releases.
    """
    basis_release, class_release = plan.release("basis"), plan.release("classes")
    if basis_release is None or class_release is None:
        return None
    labels = records.labels.cpu().numpy()
    shape = tuple(records.pictures.shape[1:])
    radius = math.sqrt(math.prod(shape)) / 2  # of a picture with a quarter of its pixels white
    waves = _waves(records)

    def mechanism(release: Release) -> Mechanism:
        return Mechanism(
            name=release.purpose,
            radius=radius,
            noise_multiplier=release.noise_multiplier,
            key=key,
            groups=records.groups,
        )

    everyone = np.zeros(len(labels), dtype=np.int64)
    whole = class_moments(waves, everyone, 1, mechanism(basis_release))
    basis = np.linalg.eigh(whole.products[0])[1][:, -DIMENSIONS:]
    moments = class_moments(waves @ basis, labels, classes, mechanism(class_release))
    found = gaussians(moments)
    return _pictures(found.means[:, 0], found.factors[:, 0], basis * radius, shape)


def _waves(records: Records) -> Vectors:
    """The records' lowest frequencies, (n, channels x WAVES x WAVES); no norm grows by it."""
    parts = []
    for start in range(0, len(records.labels), ROWS):
        pictures = records.pictures[start : start + ROWS]
        shown = pictures.cpu().numpy().astype(np.float64) / 255
        kept = dctn(shown, axes=(2, 3), norm="ortho")[:, :, :WAVES, :WAVES]
        parts.append(kept.reshape(len(kept), -1))
    return np.concatenate(parts)


def _pictures(means: Vectors, factors: Vectors, basis: Vectors, shape: tuple[int, ...]) -> Tensor:
    """Pictures of points drawn from each class's Gaussian."""
    drawing = np.random.default_rng(0)  # public: what it draws from was released
    channels, height, width = shape
    labels = np.arange(DRAWN) % len(means)
    noise = drawing.standard_normal((DRAWN, means.shape[1]))
    points = means[labels]
    for label, factor in enumerate(factors):
        points[labels == label] += noise[labels == label] @ factor.T
    kept = (points @ basis.T).reshape(DRAWN, channels, WAVES, WAVES)
    made = []
    for part in np.array_split(kept, 10):
        padded = np.zeros((len(part), channels, height, width))
        padded[:, :, :WAVES, :WAVES] = part
        made.append(np.clip(idctn(padded, axes=(2, 3), norm="ortho"), 0, 1))
    return torch.from_numpy(np.rint(np.concatenate(made) * 255).astype(np.uint8))
