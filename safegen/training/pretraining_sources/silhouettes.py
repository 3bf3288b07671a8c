"""Silhouettes: garments, shoes and bags, filled with plain textures, drawn by code."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from safegen.training.pretraining_sources.canvas import distance_to_lines, fine, inside

MAX_CORNERS = 24
MAX_LAYERS = 3
MAX_LINES = 6
OVERSAMPLING = 2  # drawn at twice the side, then averaged
OFF_CANVAS = 9.0

_Outline = list[tuple[float, float]]


def _mirrored(right: _Outline) -> _Outline:
    """A closed outline out of its right half, from the top down; x counts from the middle."""
    return [(0.5 + x, y) for x, y in right] + [(0.5 - x, y) for x, y in reversed(right)]


_TRUNK = [(0.08, 0.06), (0.16, 0.08), (0.22, 0.16), (0.2, 0.4), (0.2, 0.7), (0.21, 0.95)]
_NARROW = [(0.07, 0.04), (0.12, 0.06), (0.13, 0.2), (0.1, 0.36), (0.13, 0.6), (0.18, 0.96)]
_LONG_SLEEVE = [
    (0.66, 0.08),
    (0.76, 0.14),
    (0.83, 0.4),
    (0.88, 0.72),
    (0.87, 0.9),
    (0.78, 0.91),
    (0.74, 0.6),
    (0.69, 0.32),
]
_SHORT_SLEEVE = [(0.62, 0.07), (0.76, 0.13), (0.86, 0.24), (0.92, 0.36), (0.8, 0.44), (0.7, 0.34)]


def _other(right: _Outline) -> _Outline:
    return [(1 - x, y) for x, y in right]


# Each figure: layers of outlines, then lines upon them, in the unit square, y downwards.
FIGURES: tuple[tuple[list[_Outline], list[tuple[float, float, float, float]]], ...] = (
    # short sleeves
    (
        [_mirrored(_TRUNK), _SHORT_SLEEVE, _other(_SHORT_SLEEVE)],
        [(0.42, 0.06, 0.5, 0.1), (0.5, 0.1, 0.58, 0.06)],
    ),
    # no sleeves
    (
        [
            _mirrored(
                [(0.1, 0.03), (0.15, 0.04), (0.15, 0.2), (0.2, 0.32), (0.2, 0.65), (0.2, 0.96)]
            )
        ],
        [(0.38, 0.05, 0.5, 0.18), (0.5, 0.18, 0.62, 0.05)],
    ),
    # trousers
    (
        [
            [
                (0.34, 0.03),
                (0.66, 0.03),
                (0.68, 0.2),
                (0.67, 0.5),
                (0.65, 0.97),
                (0.54, 0.97),
                (0.52, 0.5),
                (0.5, 0.24),
                (0.48, 0.5),
                (0.46, 0.97),
                (0.35, 0.97),
                (0.33, 0.5),
                (0.32, 0.2),
            ]
        ],
        [(0.34, 0.08, 0.66, 0.08)],
    ),
    # long sleeves, round neck
    (
        [_mirrored(_TRUNK), _LONG_SLEEVE, _other(_LONG_SLEEVE)],
        [(0.42, 0.07, 0.5, 0.1), (0.5, 0.1, 0.58, 0.07)],
    ),
    # a dress
    ([_mirrored(_NARROW)], [(0.4, 0.36, 0.6, 0.36)]),
    # a dress with sleeves
    (
        [
            _mirrored(
                [(0.06, 0.04), (0.13, 0.06), (0.14, 0.2), (0.12, 0.4), (0.16, 0.7), (0.19, 0.97)]
            ),
            [(0.61, 0.06), (0.66, 0.1), (0.72, 0.3), (0.73, 0.5), (0.68, 0.5), (0.63, 0.26)],
            [(0.39, 0.06), (0.34, 0.1), (0.28, 0.3), (0.27, 0.5), (0.32, 0.5), (0.37, 0.26)],
        ],
        [],
    ),
    # a coat: closed in front
    (
        [
            _mirrored([(0.09, 0.04), (0.18, 0.08), (0.21, 0.3), (0.21, 0.6), (0.23, 0.97)]),
            _LONG_SLEEVE,
            _other(_LONG_SLEEVE),
        ],
        [(0.5, 0.2, 0.5, 0.97), (0.42, 0.04, 0.5, 0.22), (0.58, 0.04, 0.5, 0.22)],
    ),
    # a shirt: long sleeves, collar, buttons
    (
        [_mirrored(_TRUNK), _LONG_SLEEVE, _other(_LONG_SLEEVE)],
        [(0.5, 0.1, 0.5, 0.95), (0.41, 0.05, 0.47, 0.13), (0.59, 0.05, 0.53, 0.13)],
    ),
    # a flat shoe of straps
    (
        [
            [
                (0.04, 0.64),
                (0.3, 0.58),
                (0.6, 0.5),
                (0.94, 0.46),
                (0.95, 0.52),
                (0.66, 0.62),
                (0.4, 0.68),
                (0.06, 0.7),
            ]
        ],
        [
            (0.14, 0.62, 0.26, 0.5),
            (0.26, 0.5, 0.36, 0.58),
            (0.6, 0.5, 0.76, 0.34),
            (0.76, 0.34, 0.92, 0.46),
            (0.36, 0.6, 0.6, 0.36),
            (0.6, 0.36, 0.76, 0.34),
        ],
    ),
    # a shoe of straps with a heel
    (
        [
            [
                (0.05, 0.72),
                (0.3, 0.66),
                (0.6, 0.5),
                (0.9, 0.38),
                (0.95, 0.4),
                (0.92, 0.8),
                (0.88, 0.8),
                (0.86, 0.5),
                (0.6, 0.62),
                (0.34, 0.76),
                (0.06, 0.78),
            ]
        ],
        [
            (0.16, 0.7, 0.28, 0.56),
            (0.28, 0.56, 0.36, 0.66),
            (0.66, 0.48, 0.8, 0.26),
            (0.8, 0.26, 0.92, 0.4),
        ],
    ),
    # a low shoe
    (
        [
            [
                (0.04, 0.66),
                (0.06, 0.58),
                (0.28, 0.5),
                (0.46, 0.38),
                (0.58, 0.34),
                (0.7, 0.4),
                (0.9, 0.36),
                (0.96, 0.5),
                (0.96, 0.68),
                (0.5, 0.7),
                (0.05, 0.7),
            ]
        ],
        [(0.05, 0.66, 0.95, 0.64), (0.36, 0.46, 0.46, 0.54), (0.44, 0.4, 0.54, 0.5)],
    ),
    # a boot
    (
        [
            [
                (0.06, 0.86),
                (0.06, 0.74),
                (0.26, 0.64),
                (0.44, 0.52),
                (0.48, 0.14),
                (0.86, 0.12),
                (0.88, 0.5),
                (0.92, 0.7),
                (0.9, 0.87),
                (0.7, 0.87),
                (0.68, 0.82),
                (0.4, 0.87),
            ]
        ],
        [(0.06, 0.82, 0.9, 0.82), (0.48, 0.2, 0.86, 0.18)],
    ),
    # a bag
    (
        [
            [
                (0.1, 0.42),
                (0.14, 0.38),
                (0.86, 0.38),
                (0.9, 0.42),
                (0.92, 0.86),
                (0.88, 0.9),
                (0.12, 0.9),
                (0.08, 0.86),
            ]
        ],
        [
            (0.28, 0.38, 0.34, 0.16),
            (0.34, 0.16, 0.5, 0.1),
            (0.5, 0.1, 0.66, 0.16),
            (0.66, 0.16, 0.72, 0.38),
            (0.1, 0.52, 0.9, 0.52),
        ],
    ),
    # a purse
    (
        [
            [
                (0.06, 0.3),
                (0.2, 0.26),
                (0.8, 0.26),
                (0.94, 0.3),
                (0.95, 0.74),
                (0.84, 0.78),
                (0.16, 0.78),
                (0.05, 0.74),
            ]
        ],
        [(0.06, 0.5, 0.94, 0.5), (0.4, 0.5, 0.5, 0.58), (0.5, 0.58, 0.6, 0.5)],
    ),
)
FIGURE_WEIGHTS = (2.0, 1.0, 2.0, 2.5, 1.2, 1.0, 2.0, 2.0, 1.2, 0.8, 2.0, 2.0, 1.0, 1.0)


def draw_silhouettes(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw figures of filled outlines.

    Args:
        count: pictures.
        side: pixels.
        generator: of their randomness.

    Returns:
        (count, 1, side, side), float32 in [0, 1], light on dark.
    """
    which = torch.multinomial(
        torch.tensor(FIGURE_WEIGHTS), count, replacement=True, generator=generator
    )
    outlines, lines = _figures()
    bend = _Bend(count, generator)
    outlines = bend(outlines[which].flatten(1, 2)).view(count, MAX_LAYERS, MAX_CORNERS, 2)
    lines = bend(lines[which].flatten(1, 2)).view(count, MAX_LINES, 2, 2)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        shape = shape or (1, 1)
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    big = side * OVERSAMPLING
    tone, texture = uniform(0.15, 1.0) ** 0.7, _texture(count, side, generator)
    picture = torch.zeros(count, side, side)
    for outline in outlines.flip(1).unbind(1):  # sleeves lie under the trunk
        filled = fine(inside(outline, big), side)
        shade = (tone * uniform(0.8, 1.15) + texture).clamp(0.03, 1)
        picture = picture * (1 - filled) + shade * filled
    far = distance_to_lines(lines[:, :, 0], lines[:, :, 1], side)
    drawn = (1.5 - far / uniform(0.012, 0.03)).clamp(0, 1) * uniform(0, 1)
    colour = (tone + uniform(-0.7, 0.5)).clamp(0, 1)
    picture = picture * (1 - drawn) + colour * drawn
    return picture.clamp(0, 1)[:, None]


class _Bend:
    """One smooth deformation of the plane for each picture, which keeps left and right alike."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, 1, generator=generator)

        self._wide, self._high = uniform(0.75, 1.2), uniform(0.8, 1.05)
        self._waves = 0.035 * torch.randn(count, 2, 3, generator=generator)
        self._lean = 0.03 * torch.randn(count, 1, generator=generator)
        self._shift = 0.01 * torch.randn(count, 1, 2, generator=generator)

    def __call__(self, points: Tensor) -> Tensor:
        """Deform (n, points, 2); what lies away stays there."""
        x, y = (points - 0.5).unbind(2)
        out, waves = x.abs(), self._waves[..., None]
        scale = 1 + sum(waves[:, 0, k] * torch.cos((k + 1) * torch.pi * y) for k in range(3)) * 2
        sag = sum(waves[:, 1, k] * torch.cos((k + 1) * torch.pi * out) for k in range(3))
        x, y = self._wide * x * scale + self._lean * y, self._high * y + sag
        moved = torch.stack([x, y], dim=2) + 0.5 + self._shift
        return torch.where(points > OFF_CANVAS / 2, points, moved)


def _texture(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Smooth shading, stripes and grain, around 0; (n, side, side)."""

    def noise(cells: int) -> Tensor:
        rough = torch.randn(count, 1, cells, cells, generator=generator)
        return functional.interpolate(rough, (side, side), mode="bicubic", align_corners=True)[:, 0]

    def strength(chance: float, most: float) -> Tensor:
        on = torch.rand(count, 1, 1, generator=generator) < chance
        return on * most * torch.rand(count, 1, 1, generator=generator)

    line = torch.linspace(0, 1, side)
    waves = 2 + 9 * torch.rand(count, 1, 1, generator=generator)
    phase = 6.3 * torch.rand(count, 1, 1, generator=generator)
    across = torch.sin(6.28 * waves * line[None, :, None] + phase).expand(count, side, side)
    down = torch.sin(6.28 * waves * line[None, None, :] + phase).expand(count, side, side)
    grain = torch.randn(count, side, side, generator=generator)
    return (
        strength(1.0, 0.12) * noise(4)
        + strength(0.6, 0.15) * noise(9)
        + strength(0.3, 0.2) * noise(14)
        + strength(0.25, 0.35) * across
        + strength(0.12, 0.3) * down
        + strength(0.5, 0.12) * grain
    )


def _figures() -> tuple[Tensor, Tensor]:
    """All outlines (figures, MAX_LAYERS, MAX_CORNERS, 2), lines (figures, MAX_LINES, 2, 2)."""
    outlines = torch.full((len(FIGURES), MAX_LAYERS, MAX_CORNERS, 2), OFF_CANVAS)
    lines = torch.full((len(FIGURES), MAX_LINES, 2, 2), OFF_CANVAS)
    for number, (layers, upon) in enumerate(FIGURES):
        for place, outline in enumerate(layers):
            # A corner that repeats adds an edge of no length.
            corners = outline + [outline[-1]] * (MAX_CORNERS - len(outline))
            outlines[number, place] = torch.tensor(corners)
        if upon:
            lines[number, : len(upon)] = torch.tensor(upon).view(-1, 2, 2)
    return outlines, lines
