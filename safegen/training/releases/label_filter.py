"""A judge learnt from the records: softmax regression by noisy gradients of all of them at once.

Every round releases one sum over all records, the gradient of each clipped; features are fixed, so
that a few dozen rounds are enough. Where features lie, and in which directions they vary, is learnt
from the prior's pictures, or those drawn from the warm start: seen around their mean and evenly
spread, features tell more in few rounds.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.models.edges import INPUT_SIDE_PIXELS, edge_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.privacy.mechanism.releases import Releases
    from safegen.privacy.mechanism.sealed import PrivateRecords, Values

    Vectors = NDArray[np.float64]

BATCH_ROWS = 2048  # pictures looked at once, of 28 x 28 grey pixels; fewer of larger ones
# Power by which directions in which public pictures vary little are stretched.
WHITENING_POWER = 0.375
VARIANCE_FLOOR_SHARE = 0.3  # of their mean variance, added to each direction's
BIAS_FEATURE = 0.3  # the feature that all pictures share, whose weights are the biases
FIRST_LEARNING_RATE = 120.0  # at first; it falls to 0 over the rounds
MOMENTUM = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How features are seen; public.

    Attributes:
        centre: (features,), float64.
        turn: (features, features), float64: seen features are (features - centre) turn.
    """

    centre: Vectors
    turn: Vectors


def fit_label_filter(
    records: PrivateRecords, classes: int, releases: Releases, *, reference: Tensor
) -> tuple[Vectors, Vectors] | None:
    """Release a judge's gradients, and follow them.

    Args:
        records: all of them.
        classes: how many labels.
        releases: makes `judge`, as often as is planned.
        reference: public pictures (n, channels, height, width), uint8.

    Returns:
        Weights (classes, features) and biases (classes,) as `models.label_filter.LabelFilter` holds
        them;
        None when no such releases are planned.
    """
    rounds = releases.planned("judge")
    if not rounds:
        return None
    view = view_of(reference)
    seen = records.derived(
        lambda pictures, _: _seen(_edges(pictures), view), rows=_rows(records.shape)
    )
    weights, speed = (np.zeros((len(view.centre) + 1, classes)) for _ in range(2))
    for number in range(rounds):
        errors = functools.partial(_errors, weights)
        slope = releases.outer_products("judge", seen, errors, radius=1.0)
        speed = MOMENTUM * speed + slope / releases.units
        weights = weights - FIRST_LEARNING_RATE * (1 - number / rounds) * speed
    inner, constant = weights[:-1], weights[-1]
    folded = view.turn @ inner
    return folded.T, BIAS_FEATURE * constant - view.centre @ folded


def view_of(reference: Tensor) -> View:
    """How public pictures (n, channels, height, width), uint8, say that features are best seen."""
    features = np.concatenate(list(_features(reference))).astype(np.float64)
    centre = features.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(features - centre, rowvar=False, bias=True))
    values = np.maximum(values, 0)
    level = max(VARIANCE_FLOOR_SHARE * float(values.mean()), 1e-12)
    turn = (axes * (values + level) ** -WHITENING_POWER) @ axes.T
    usual = float(np.median(np.linalg.norm((features - centre) @ turn, axis=1)))
    return View(centre=centre, turn=turn / (usual or 1.0))


def _features(pictures: Tensor) -> Iterator[NDArray[np.float32]]:
    """Features of pictures (n, channels, height, width), uint8, a chunk at a time."""
    for part in torch.split(pictures, _rows(tuple(pictures.shape[1:]))):
        yield _edges(part.float() / 255)


@torch.no_grad()
def _edges(pictures: Tensor) -> NDArray[np.float32]:
    """Of pictures (n, channels, height, width), float32 in [0, 1]."""
    return edge_features(pictures).cpu().numpy()


def _rows(shape: tuple[int, ...]) -> int:
    """How many pictures of that shape are looked at at once."""
    return max(1, min(BATCH_ROWS, BATCH_ROWS * INPUT_SIDE_PIXELS**2 // math.prod(shape)))


def _seen(features: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Features (n, features) as seen, with the constant one last."""
    seen = (features - view.centre) @ view.turn
    return np.column_stack([seen, np.full(len(seen), BIAS_FEATURE)]).astype(np.float32)


def _errors(weights: Vectors, seen: Values, labels: NDArray[np.int64]) -> Vectors:
    """Probabilities less what is true, (n, classes): the slope of each record's cross-entropy.

    In 64 bits, so that how a product is cut up among rows moves none of them.
    """
    parts = [
        seen[start : start + BATCH_ROWS].astype(np.float64) @ weights
        for start in range(0, len(seen), BATCH_ROWS)
    ]
    logits = np.concatenate(parts) if parts else np.zeros((0, weights.shape[1]))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    errors: Vectors = powers / powers.sum(axis=1, keepdims=True)
    errors[np.arange(len(labels)), labels] -= 1.0
    return errors
