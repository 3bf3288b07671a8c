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

from safegen.training.releases.latents import gaussians

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.privacy.mechanism.releases import Releases
    from safegen.privacy.mechanism.sealed import PrivateRecords

    Vectors = NDArray[np.float64]

WAVES_PER_SIDE = 12  # of height, and of width, that are kept
BASIS_DIMENSIONS = 32  # of the basis
DRAWN_PICTURES = 20_000  # pictures
BATCH_ROWS = 4096  # transformed at once


def warm_pictures(
    records: PrivateRecords, classes: int, releases: Releases, *, count: int | None = None
) -> Tensor | None:
    """Release what is planned, and draw pictures of it.

    Args:
        records: all of them.
        classes: how many labels.
        releases: makes `basis` and `classes`.
        count: of pictures; `DRAWN_PICTURES` when None.

    Returns:
        (count, channels, height, width), uint8, its classes in equal parts; None when no such
        releases are planned.
    """
    if not (releases.planned("basis") and releases.planned("classes")):
        return None
    shape = records.shape
    radius = math.sqrt(math.prod(shape)) / 2  # of a picture with a quarter of its pixels white
    waves = records.derived(_waves, rows=BATCH_ROWS)
    everyone = waves.relabelled(lambda _, labels: np.zeros_like(labels))
    whole = releases.class_moments("basis", everyone, classes=1, radius=radius)
    basis = np.linalg.eigh(whole.products[0])[1][:, -BASIS_DIMENSIONS:]
    seen = waves.mapped(lambda values: values @ basis)
    moments = releases.class_moments("classes", seen, classes=classes, radius=radius)
    found = gaussians(moments)
    return _pictures(
        found.means[:, 0],
        found.factors[:, 0],
        basis * radius,
        shape,
        DRAWN_PICTURES if count is None else count,
    )


def _waves(pictures: Tensor, _: Tensor) -> Vectors:
    """Lowest frequencies, (n, channels x WAVES_PER_SIDE x WAVES_PER_SIDE); no norm grows by it."""
    shown = pictures.cpu().numpy().astype(np.float64)
    kept: Vectors = dctn(shown, axes=(2, 3), norm="ortho")[:, :, :WAVES_PER_SIDE, :WAVES_PER_SIDE]
    return kept.reshape(len(kept), -1)


def _pictures(
    means: Vectors, factors: Vectors, basis: Vectors, shape: tuple[int, ...], count: int
) -> Tensor:
    """Pictures of points drawn from each class's Gaussian."""
    drawing = np.random.default_rng(0)  # public: what it draws from was released
    channels, height, width = shape
    labels = np.arange(count) % len(means)
    noise = drawing.standard_normal((count, means.shape[1]))
    points = means[labels]
    for label, factor in enumerate(factors):
        points[labels == label] += noise[labels == label] @ factor.T
    kept = (points @ basis.T).reshape(count, channels, WAVES_PER_SIDE, WAVES_PER_SIDE)
    made = []
    for part in np.array_split(kept, 10):
        padded = np.zeros((len(part), channels, height, width))
        padded[:, :, :WAVES_PER_SIDE, :WAVES_PER_SIDE] = part
        made.append(np.clip(idctn(padded, axes=(2, 3), norm="ortho"), 0, 1))
    return torch.from_numpy(np.rint(np.concatenate(made) * 255).astype(np.uint8))
