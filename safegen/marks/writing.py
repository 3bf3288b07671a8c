"""Where in a picture a mark may be written, how strongly, and writing it; in torch.

A mark is a sum of smooth carriers, one for each bit. It is written strongly where a picture is
busy, and weakly where it is flat or nearly black or white: there it would be seen, and whoever
changes brightness or contrast would clip it away.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from safegen.marks.networks import brightness_of, local_mean, resample_to

if TYPE_CHECKING:
    from safegen.marks.networks import ExtractorNetwork

FLAT_BOUND = 10.0  # levels of 255: the most that a pixel of a flat area is changed
BUSY_BOUND = 0.6  # further levels for each level of the local standard deviation
MOST_BUSY = 50.0  # levels of standard deviation, above which more does not hide more
BUSY_GAIN = 1 / 100  # further relative strength for each level of standard deviation
HEADROOM = 40.0  # levels to black and white, from which on a mark has its full strength
LEAST_HEADROOM = 0.3  # share of full strength that is left at black and white
REACH = 1.15  # how far a mark is overdrawn, for what bounds and clipping take away
STEP_SHARE = 0.4  # of what a bit lacks to the others, made good in one pass
WANTED_SHARE = 0.9  # of the mean certainty, that each bit is to reach


class Canvas:
    """Pictures that a mark is to be written in.

    Args:
        network: that is to read it.
        pictures: (count, 1 or 3, height, width), float32 in [0, 255].
        root_mean_square: the most that pictures may be changed, in levels.
    """

    def __init__(
        self, network: ExtractorNetwork, pictures: torch.Tensor, root_mean_square: float
    ) -> None:
        height, width = pictures.shape[2:]
        carriers = resample_to(network.carriers[None], height, width)[0].flatten(1)
        self.carriers = carriers / carriers.pow(2).mean(dim=1, keepdim=True).sqrt()
        self.network = network
        self.pictures = pictures
        self.root_mean_square = root_mean_square
        self.strength = strength(pictures)
        self.bound = bound(pictures)

    def marked(self, amplitudes: torch.Tensor) -> torch.Tensor:
        """The pictures with so much of each carrier.

        Args:
            amplitudes: (count, word_bits), float32, relative to each other.

        Returns:
            (count, 1 or 3, height, width), float32 in [0, 255], not rounded.
        """
        height, width = self.pictures.shape[2:]
        change = (amplitudes @ self.carriers).view(-1, 1, height, width) * self.strength
        change = change / _size(change) * (self.root_mean_square * REACH)
        return self.within(change)

    def within(self, change: torch.Tensor) -> torch.Tensor:
        """The pictures changed, but no further than is allowed.

        Args:
            change: (count, 1, height, width), float32: of brightness, in levels.

        Returns:
            As of `marked`.
        """
        change = torch.maximum(torch.minimum(change, self.bound), -self.bound)
        change = (self.pictures + change).clamp(0, 255) - self.pictures
        return self.pictures + change * (self.root_mean_square / _size(change)).clamp_max(1)

    def amplitudes(self, signs: torch.Tensor, passes: int) -> torch.Tensor:
        """How much of each carrier, so that all bits are read with about the same certainty.

        What the picture itself says of a bit, and what clipping leaves of it, is made good where it
        is against the word (improved spread spectrum: Malvar and Florencio, IEEE Transactions on
        Signal Processing 51(4), 2003, with a network in place of a correlation).

        Args:
            signs: (count, word_bits), float32: 1 and -1, the word.
            passes: how many times the extractor is asked.
        """
        amplitudes = signs.clone()
        with torch.no_grad():
            for _ in range(passes):
                agreement = self.network(brightness_of(self.marked(amplitudes))) * signs
                mean = agreement.mean(dim=1, keepdim=True)
                lacking = functional.relu(mean * WANTED_SHARE - agreement)
                amplitudes += signs * lacking / mean.clamp_min(0.5) * STEP_SHARE
        return amplitudes


def root_mean_square_of(psnr: float) -> float:
    """The change of a PSNR, in levels of 255, before values are rounded to whole levels."""
    return math.sqrt(max(255.0**2 / 10 ** (psnr / 10) - 1 / 12, 1 / 12))


def strength(pictures: torch.Tensor) -> torch.Tensor:
    """How strongly a mark is written where; its mean square is 1.

    Args:
        pictures: (count, 1 or 3, height, width), float32 in [0, 255].

    Returns:
        (count, 1, height, width), float32.
    """
    near = local_mean(pictures, 3)
    headroom = brightness_of(torch.minimum(near, 255 - near).clamp_min(0))
    share = (headroom / HEADROOM).clamp(LEAST_HEADROOM, 1)
    busy = _deviation(brightness_of(pictures), 5).clamp_max(MOST_BUSY)
    relative = local_mean(share * (1 + busy * BUSY_GAIN), 3)
    return relative / _size(relative)


def bound(pictures: torch.Tensor) -> torch.Tensor:
    """The most that a mark may change each pixel, in levels; arguments and result as above."""
    busy = _deviation(brightness_of(pictures), 3).clamp_max(MOST_BUSY)
    return FLAT_BOUND + BUSY_BOUND * busy


def _deviation(brightness: torch.Tensor, side: int) -> torch.Tensor:
    mean = local_mean(brightness, side)
    return (local_mean(brightness.pow(2), side) - mean.pow(2)).clamp_min(0).sqrt()


def _size(change: torch.Tensor) -> torch.Tensor:
    return change.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)
