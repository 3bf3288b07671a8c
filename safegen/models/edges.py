"""What a picture looks like to a judge: where its edges run, and how bright its parts are.

Histograms of oriented gradients (Dalal & Triggs 2005) at two scales, and brightness in a coarse
grid; nothing in it was learnt. Under differential privacy a linear classifier of such fixed
features beats networks that learn theirs (Tramer & Boneh 2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

INPUT_SIDE_PIXELS = 28  # pixels, to which pictures are brought first
ORIENTATIONS = 8
CELLS_PER_SIDE = 7  # a side, of both scales' histograms
BRIGHTNESS_CELLS_PER_SIDE = 14  # a side, of brightness
MIN_CELL_SHARE = 0.3  # of a picture's usual cell: what an emptier one is measured by


def edge_features(pictures: Tensor) -> Tensor:
    """Features of pictures, each row of norm 1 or less.

    Args:
        pictures: (n, channels, height, width), float32 in [0, 1].

    Returns:
        (n, `count_features(channels)`), float32.
    """
    if pictures.shape[2:] != (INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS):
        pictures = functional.interpolate(
            pictures,
            size=(INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
    grey = pictures.mean(dim=1, keepdim=True)
    blurred = functional.avg_pool2d(grey, 3, stride=1, padding=1)
    blocks = [
        _histograms(grey),
        _histograms(functional.avg_pool2d(blurred, 2)),
        _around_mean(functional.adaptive_avg_pool2d(grey, BRIGHTNESS_CELLS_PER_SIDE)),
    ]
    if pictures.shape[1] > 1:
        blocks.append(_around_mean(functional.adaptive_avg_pool2d(pictures - grey, CELLS_PER_SIDE)))
    features = [functional.normalize(block.flatten(1), dim=1) for block in blocks]
    return torch.cat(features, dim=1) / math.sqrt(len(features))


def count_features(channels: int) -> int:
    """How many features a picture of so many channels has.

    >>> count_features(1), count_features(3)
    (980, 1127)
    """
    colour = channels * CELLS_PER_SIDE**2 if channels > 1 else 0
    return 2 * ORIENTATIONS * CELLS_PER_SIDE**2 + BRIGHTNESS_CELLS_PER_SIDE**2 + colour


def _histograms(grey: Tensor) -> Tensor:
    """How strong edges of each orientation are in each cell, over how strong edges are there."""
    along = functional.conv2d(grey, _slopes().to(grey.device), padding=1)
    right, low = along[:, :1], along[:, ORIENTATIONS // 4 : ORIENTATIONS // 4 + 1]
    squares = (right.square() + low.square()).clamp_min(1e-8)
    towards = along.clamp_min(0)
    each = towards.square().mul_(towards).div_(squares)  # strength times cosine^3
    cells = functional.avg_pool2d(each, grey.shape[-1] // CELLS_PER_SIDE)
    energy = cells.norm(dim=1, keepdim=True)
    usual = energy.mean(dim=(2, 3), keepdim=True)
    histograms: Tensor = cells / (energy + MIN_CELL_SHARE * usual + 1e-3)
    return histograms


def _slopes() -> Tensor:
    """Filters of brightness' slope along each orientation, (ORIENTATIONS, 1, 3, 3)."""
    angles = torch.arange(ORIENTATIONS) * (2 * math.pi / ORIENTATIONS)
    across, down = torch.zeros(3, 3), torch.zeros(3, 3)
    across[1], down[:, 1] = torch.tensor([-1.0, 0, 1]), torch.tensor([-1.0, 0, 1])
    both = angles.cos().view(-1, 1, 1) * across + angles.sin().view(-1, 1, 1) * down
    return both[:, None]


def _around_mean(parts: Tensor) -> Tensor:
    centred: Tensor = parts - parts.mean(dim=(1, 2, 3), keepdim=True)
    return centred
