"""The losses that discriminator and generator play with, as functions of scores alone.

A score is high for what looks real. A sign is -1 for a record, 1 for a generated picture, and 0
for a row that has no loss of its own: a record once more, a little way off (`slope_penalties`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from safegen.schemas.config import Adversarial

# Of a step off a record, along a standard normal direction, in a picture's range.
MAX_NOISE_SHIFT = 0.03


def discriminator_losses(kind: Adversarial, scores: Tensor, signs: Tensor) -> Tensor:
    """Each row's loss, (n,), float32, from scores and signs (n,).

    `hinge`: max(0, 1 + sign score) (Lim & Ye 2017, equation 4). `non-saturating`: the logistic
    loss log(1 + exp(sign score)) (Goodfellow et al. 2014, equation 1).
    """
    towards = signs * scores
    losses = functional.relu(1 + towards) if kind == "hinge" else functional.softplus(towards)
    return losses * signs.abs()


def generator_loss(kind: Adversarial, scores: Tensor) -> Tensor:
    """The generator's loss, (), from scores of its pictures: -score, or log(1 + exp(-score))."""
    return -scores.mean() if kind == "hinge" else functional.softplus(-scores).mean()


def stepped_off(pictures: Tensor, directions: Tensor) -> Tensor:
    """Pictures, each twice and beside itself, whose second one is a step along its direction off.

    Args:
        pictures: (2 n, channels, height, width), each already there twice.
        directions: (n, channels, height, width), standard normal.
    """
    first = pictures[::2]
    return torch.stack([first, first + MAX_NOISE_SHIFT * directions], dim=1).flatten(0, 1)


def slope_penalties(scores: Tensor, signs: Tensor) -> Tensor:
    """Estimates of half the squared slope of the score at each record, (n,); 0 in other rows.

    For a standard normal direction v, E (v . g)^2 = |g|^2; and v . g is, to first order, how far
    the score moves along a small step of v, over the step's length. So two scores of one record
    estimate its R1 penalty |g|^2 / 2 (Mescheder, Geiger, Nowozin 2018, equation 9) without bias
    to first order, and no gradient of a gradient is needed.

    Args:
        scores: (n,), where each record is followed by itself as `stepped_off` made it.
        signs: (n,): -1 for a record, 0 for what follows it.
    """
    records = torch.nonzero(signs < 0)[:, 0]
    slopes = (scores[records + 1] - scores[records]) / MAX_NOISE_SHIFT
    return torch.zeros_like(scores).index_add(0, records, slopes.square() / 2)
