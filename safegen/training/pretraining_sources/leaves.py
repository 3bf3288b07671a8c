"""Dead leaves: shapes that cover each other, as things in pictures do, drawn by code.

Such pictures have the edges and the scales of natural ones (Lee, Mumford, Huang 2001), and know
nothing of any subject.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from safegen.training.pretraining_sources.canvas import pixels

LEAVES_PER_PICTURE = 14
MIN_RADIUS, MAX_RADIUS = 0.05, 0.6  # radius, in sides of the picture


def draw_leaves(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw pictures of leaves.

    Args:
        count: pictures.
        side: pixels.
        generator: of their randomness.

    Returns:
        (count, 1, side, side), float32 in [0, 1].
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=generator)

    x, y = pixels(side).T
    picture = uniform(0, 1) * (uniform(0, 1) > 0.4) + uniform(-0.3, 0.3) * (x - 0.5)
    soft = uniform(0.3, 3.0) / side
    for _ in range(LEAVES_PER_PICTURE):
        turn, stretch = uniform(0, math.pi), torch.exp(uniform(-0.7, 0.7))
        # Radii whose density falls with the third power: as many small things near as large far.
        radius = (MIN_RADIUS**-2 + uniform(0, 1) * (MAX_RADIUS**-2 - MIN_RADIUS**-2)) ** -0.5
        right, down = x - uniform(-0.1, 1.1), y - uniform(-0.1, 1.1)
        along = (right * torch.cos(turn) + down * torch.sin(turn)) * stretch
        across = (down * torch.cos(turn) - right * torch.sin(turn)) / stretch
        power = 2 * torch.exp(uniform(0, 1.4))  # from ellipses to rounded boxes
        reach = (along.abs() ** power + across.abs() ** power) ** (1 / power)
        held = ((radius - reach) / soft + 0.5).clamp(0, 1)
        tone = uniform(0, 1) + uniform(-0.5, 0.5) * along / radius.clamp_min(0.1)
        picture = picture * (1 - held) + tone * held
    pictures: Tensor = picture.clamp(0, 1).view(count, 1, side, side)
    return pictures
