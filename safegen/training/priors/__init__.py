"""Pictures drawn by code, which networks may start from: no data at all.

A prior is domain knowledge. It is fixed before anything private is looked at, and a certificate
names it among what is public by assumption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from safegen.training.priors.leaves import draw_leaves
from safegen.training.priors.silhouettes import draw_silhouettes
from safegen.training.priors.strokes import draw_strokes

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[int, int, torch.Generator], Tensor]

PRIORS: dict[str, tuple[Draw, str]] = {
    "strokes": (draw_strokes, "figures of pen strokes in the shapes of the ten digits"),
    "silhouettes": (draw_silhouettes, "outlines of garments, shoes and bags with plain textures"),
    "leaves": (draw_leaves, "overlapping shapes of no subject"),
}
ROWS, ROWS_SIDE = 1000, 32  # drawn at once up to this side; fewer of larger ones
LARGEST = 64  # pixels a side that are drawn; larger pictures are enlarged, or would take an hour


def draw_prior(name: str, count: int, shape: tuple[int, int, int], seed: int) -> Tensor:
    """Draw a prior's pictures.

    Args:
        name: one of `PRIORS`.
        count: pictures.
        shape: channels, height, width; colours are drawn at random.
        seed: of their randomness.

    Returns:
        (count, channels, height, width), uint8.
    """
    draw, _ = PRIORS[name]
    channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    parts = []
    side = min(max(height, width), LARGEST)
    rows = ROWS if side <= ROWS_SIDE else max(1, ROWS * ROWS_SIDE**2 // side**2)
    for start in range(0, count, rows):
        grey = draw(min(rows, count - start), side, generator)
        if max(height, width) > side:
            grey = functional.interpolate(grey, (height, width), mode="bilinear", antialias=True)
        elif height != width:
            grey = functional.interpolate(grey, (height, width), mode="area")
        parts.append((_coloured(grey, channels, generator) * 255).round().byte())
    return torch.cat(parts)


def _coloured(grey: Tensor, channels: int, generator: torch.Generator) -> Tensor:
    """Grey pictures between two colours each, the dark end darker than the light one."""
    if channels == 1:
        return grey
    dark = 0.4 * torch.rand(len(grey), channels, 1, 1, generator=generator)
    light = 0.4 + 0.6 * torch.rand(len(grey), channels, 1, 1, generator=generator)
    return dark + (light - dark) * grey
