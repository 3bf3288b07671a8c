"""Samples drawn by code, which networks may start from: no data at all.

A prior is domain knowledge. It is fixed before anything private is looked at, and a certificate
names it among what is public by assumption. One of a kind of data of your own is registered here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from safegen.errors import InputError
from safegen.modality.registry import kind_named
from safegen.schemas.card import PICTURES
from safegen.training.pretraining_sources.leaves import draw_leaves
from safegen.training.pretraining_sources.silhouettes import draw_silhouettes
from safegen.training.pretraining_sources.strokes import draw_strokes

if TYPE_CHECKING:
    from collections.abc import Callable

    DrawGrey = Callable[[int, int, torch.Generator], Tensor]

BATCH_ROWS, BATCH_SIDE_PIXELS = 1000, 32  # drawn at once up to this side; fewer of larger ones
MAX_SIDE_PIXELS = (
    64  # pixels a side that are drawn; larger pictures are enlarged, or would take an hour
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Samples of one kind of data that are drawn by code.

    Attributes:
        kind: of data.
        words: what they are, as certificates name it.
        draw: makes so many samples (count, *dimensions), as the kind stores them, of the shape's
            dimensions, from a seed.
    """

    kind: str
    words: str
    draw: Callable[[int, tuple[int, ...], int], Tensor]


PRIORS: dict[str, Prior] = {}
NO_NAMES = ("auto", "none")  # which say something else where a prior is named


def register(name: str, prior: Prior) -> None:
    """Make samples drawn by code known by their name.

    Raises:
        DataError: their kind of data is not known; register it first.
        InputError: the name is taken, or it is no prior.
    """
    if not isinstance(prior, Prior) or not callable(prior.draw):
        raise InputError(f"{name!r} is no prior; give a safegen.training.pretraining_sources.Prior")
    kind_named(prior.kind)
    if not name or name in NO_NAMES or PRIORS.get(name, prior) != prior:
        raise InputError(f"a prior cannot be called {name!r}, or one is already; name it otherwise")
    PRIORS[name] = prior


def draw_prior(name: str, count: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """Draw a prior's samples.

    Args:
        name: one of `PRIORS`.
        count: samples.
        shape: their dimensions.
        seed: of their randomness.

    Returns:
        (count, *dimensions), as their kind of data stores them.
    """
    return PRIORS[name].draw(count, shape, seed)


def _pictures(draw: DrawGrey, count: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """Pictures (count, channels, height, width), uint8; colours are drawn at random."""
    channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    parts = []
    side = min(max(height, width), MAX_SIDE_PIXELS)
    rows = (
        BATCH_ROWS
        if side <= BATCH_SIDE_PIXELS
        else max(1, BATCH_ROWS * BATCH_SIDE_PIXELS**2 // side**2)
    )
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


_OURS: dict[str, tuple[DrawGrey, str]] = {
    "strokes": (draw_strokes, "figures of pen strokes in the shapes of the ten digits"),
    "silhouettes": (draw_silhouettes, "outlines of garments, shoes and bags with plain textures"),
    "leaves": (draw_leaves, "overlapping shapes of no subject"),
}
for _name, (_draw, _words) in _OURS.items():
    register(_name, Prior(kind=PICTURES, words=_words, draw=functools.partial(_pictures, _draw)))
