"""From lines and polygons to pixels, many pictures at once.

Shapes live in the unit square, y downwards; a picture is its pixels' centres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def pixels(side: int) -> Tensor:
    """The centres of a square picture's pixels, (side^2, 2), float32, as (x, y) in [0, 1]."""
    line = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.ravel(), y.ravel()], dim=1)


def distance_to_lines(starts: Tensor, ends: Tensor, side: int) -> Tensor:
    """How far each pixel is from the nearest of a picture's lines.

    Args:
        starts: (n, lines, 2), float32; a line that is not drawn lies far outside.
        ends: (n, lines, 2), float32.
        side: pixels.

    Returns:
        (n, side, side), float32, in sides of the picture.
    """
    points = pixels(side)
    nearest = torch.full((len(starts), len(points)), torch.inf)
    for start, end in zip(starts.unbind(1), ends.unbind(1), strict=True):
        along = end - start
        length = along.square().sum(1).clamp_min(1e-9)
        # The nearest point of the line is start + t along, t in [0, 1].
        t = (points @ along.T - (start * along).sum(1)) / length
        t = t.clamp_(0, 1).T
        x = points[:, 0] - start[:, :1] - t * along[:, :1]
        y = points[:, 1] - start[:, 1:] - t * along[:, 1:]
        torch.minimum(nearest, x.square_().add_(y.square_()), out=nearest)
    return nearest.sqrt_().view(-1, side, side)


def inside(corners: Tensor, side: int) -> Tensor:
    """Which pixels a closed polygon holds, by the even-odd rule.

    Args:
        corners: (n, corners, 2), float32, in order.
        side: pixels.

    Returns:
        (n, side, side), bool.
    """
    points = pixels(side)
    x, y = points[:, 0], points[:, 1]
    odd = torch.zeros(len(corners), len(points), dtype=torch.bool)
    for start, end in zip(corners.unbind(1), corners.roll(-1, 1).unbind(1), strict=True):
        spans = (start[:, 1:] > y) != (end[:, 1:] > y)
        rise = end[:, 1:] - start[:, 1:]
        rise = torch.where(rise.abs() < 1e-9, 1e-9, rise)
        crossing = start[:, :1] + (end[:, :1] - start[:, :1]) * (y - start[:, 1:]) / rise
        odd ^= spans & (x < crossing)
    return odd.view(-1, side, side)


def fine(filled: Tensor, side: int) -> Tensor:
    """Average what was drawn at a multiple of the side down to it, which smooths edges."""
    return torch.nn.functional.avg_pool2d(filled.float()[:, None], filled.shape[-1] // side)[:, 0]
