"""What happens to pictures on their way, imitated so that gradients pass; in torch.

`safegen.marks.robustness` has the real ones, by Pillow: what is tested is not what is trained with.
Sources: JPEG's quantisation is that of ITU-T T.81, Annex K; rounding lets gradients through as they
are (straight-through: Bengio et al., arXiv:1308.3432).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from safegen.marks.networks import resample_to

if TYPE_CHECKING:
    from collections.abc import Callable

QUANTISATION = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100
103 99
"""  # of brightness, at quality 50


def distorted(
    brightness: torch.Tensor, generator: torch.Generator, hard: float = 1.0
) -> torch.Tensor:
    """Each part of a batch distorted in another way, and all of it moved a little.

    Args:
        brightness: (count, 1, height, width), float32 in [0, 255].
        generator: decides on everything.
        hard: how far everything is moved, from 0 to 1.

    Returns:
        As `brightness`; with gradients.
    """
    count = len(brightness)
    order = torch.randperm(len(KINDS), generator=generator).tolist()
    edges = [round(part * count / len(KINDS)) for part in range(len(KINDS) + 1)]
    parts = []
    for number, kind in enumerate(order):
        part = brightness[edges[number] : edges[number + 1]]
        if len(part):
            parts.append(_whole(KINDS[kind](part, generator)))
    return _moved(
        torch.cat(parts), generator, turn=1.2 * hard, scale=0.02 * hard, shift=0.02 * hard
    )


def hit(
    brightness: torch.Tensor,
    kind: Callable[[torch.Tensor, torch.Generator], torch.Tensor],
    generator: torch.Generator,
) -> torch.Tensor:
    """A whole batch distorted in one way, and moved very little; otherwise as `distorted`."""
    worse = _whole(kind(brightness, generator))
    return _moved(worse, generator, turn=0.6, scale=0.01, shift=0.01)


def _whole(values: torch.Tensor) -> torch.Tensor:
    """Clipped and rounded to levels, gradients as if they were not rounded."""
    values = values.clamp(0, 255)
    return values + (values.round() - values).detach()


def _some(
    pictures: torch.Tensor, generator: torch.Generator, low: float, high: float
) -> torch.Tensor:
    """(count, 1, 1, 1): a number from a range for each picture."""
    return low + (high - low) * torch.rand(len(pictures), 1, 1, 1, generator=generator)


def _one(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _kept(pictures: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    return pictures


def _jpeg_good(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return _jpeg(pictures, _some(pictures, generator, 60, 95))


def _jpeg_poor(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return _jpeg(pictures, _some(pictures, generator, 40, 65))


def _halved(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    height, width = pictures.shape[2:]
    factor = _one(generator, 0.45, 0.55)
    smaller = resample_to(pictures, max(8, round(height * factor)), max(8, round(width * factor)))
    return resample_to(smaller, height, width)


def _blurred(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    deviation = _some(pictures, generator, 0.3, 1.2).view(-1, 1)
    places = torch.arange(-2.0, 3.0)
    kernel = torch.exp(-(places**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    count = len(pictures)
    padded = functional.pad(pictures.transpose(0, 1), (2, 2, 2, 2), mode="replicate")
    across = functional.conv2d(padded, kernel[:, None, None, :], groups=count)
    return functional.conv2d(across, kernel[:, None, :, None], groups=count).transpose(0, 1)


def _noisy(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    deviation = _some(pictures, generator, 4, 7)
    return pictures + torch.randn(pictures.shape, generator=generator) * deviation


def _contrast(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True).round()
    return (pictures - mean) * _some(pictures, generator, 0.7, 1.5) + mean


def _harsh(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True).round()
    return (pictures - mean) * _some(pictures, generator, 1.2, 1.45) + mean


def _brighter(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return pictures * _some(pictures, generator, 0.7, 1.4)


def _screenshot(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    height, width = pictures.shape[2:]
    larger = resample_to(pictures, round(height * 1.5), round(width * 1.5))
    smaller = resample_to(larger, height, width)
    return _jpeg(smaller, _some(pictures, generator, 50, 95))


def _cropped(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return _moved(pictures, generator, turn=2.0, scale=0.03, shift=0.03, hidden=0.12)


def _gamma(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return 255 * (pictures.clamp(1, 255) / 255) ** _some(pictures, generator, 0.7, 1.4)


KINDS = (
    _kept, _jpeg_good, _jpeg_poor, _jpeg_poor, _halved, _halved, _blurred, _noisy, _contrast,
    _harsh, _brighter, _screenshot, _cropped, _cropped, _gamma,
)  # fmt: skip
HARSH = (_harsh, _kept, _brighter, _harsh)
WORST = (_jpeg_poor, _cropped, _halved, _cropped, _jpeg_poor, _noisy)


def _moved(
    pictures: torch.Tensor,
    generator: torch.Generator,
    *,
    turn: float,
    scale: float,
    shift: float,
    hidden: float = 0.0,
) -> torch.Tensor:
    """Turned, scaled and shifted by random amounts, the edges continued.

    Args:
        pictures: (count, 1, height, width), float32.
        generator: decides on the amounts.
        turn: at most so many degrees.
        scale: at most such a share larger or smaller.
        shift: at most such a share of the side.
        hidden: share of height and width, at most, that is lost, as if it had been cropped.
    """
    count = len(pictures)

    def up_to(most: float) -> torch.Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * most

    angle, size = up_to(turn) * math.pi / 180, 1 + up_to(scale)
    across, down = up_to(2 * shift), up_to(2 * shift)
    rows = [
        torch.stack([size * angle.cos(), -size * angle.sin(), across], dim=1),
        torch.stack([size * angle.sin(), size * angle.cos(), down], dim=1),
    ]
    shape = list(pictures.shape)
    places = functional.affine_grid(torch.stack(rows, dim=1), shape, align_corners=False)
    if hidden:
        lost, before = torch.rand(2, count, 1, 1, 2, generator=generator)
        lost = lost * 2 * hidden  # places go from -1 to 1
        places = torch.minimum(torch.maximum(places, lost * before - 1), 1 - lost * (1 - before))
    return functional.grid_sample(
        pictures, places, mode="bilinear", padding_mode="border", align_corners=False
    )


def _jpeg(pictures: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """What JPEG makes of brightness; quality (count, 1, 1, 1) from 1 to 100, as libjpeg counts."""
    count, _, height, width = pictures.shape
    below, right = -height % 8, -width % 8
    padded = functional.pad(pictures, (0, right, 0, below), mode="replicate") - 128
    high, wide = padded.shape[2] // 8, padded.shape[3] // 8
    blocks = padded.view(count, high, 8, wide, 8).permute(0, 1, 3, 2, 4)
    transform, table = _cosines(), _quantisation()
    quality = quality.view(-1, 1, 1)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    steps = ((table * scale + 50) / 100).floor().clamp(1, 255)[:, None, None]
    levels = transform @ blocks @ transform.T / steps
    levels = levels + (levels.round() - levels).detach()
    back = transform.T @ (levels * steps) @ transform
    whole = back.permute(0, 1, 3, 2, 4).reshape(count, 1, high * 8, wide * 8) + 128
    return whole[:, :, :height, :width]


@functools.cache
def _quantisation() -> torch.Tensor:
    return torch.tensor([float(step) for step in QUANTISATION.split()]).view(8, 8)


@functools.cache
def _cosines() -> torch.Tensor:
    """(8, 8): the discrete cosine transform of type II, orthonormal."""
    places = torch.arange(8.0)
    matrix = torch.cos((2 * places[None] + 1) * places[:, None] * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix
