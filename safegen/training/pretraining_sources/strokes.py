"""Pen strokes: figures such as a hand writes, drawn by code."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from safegen.training.pretraining_sources.canvas import distance_to_lines

MAX_LINES = 28  # of one figure, at most
OFF_CANVAS = 9.0  # where lines lie that a figure does not need

_Strokes = list[list[tuple[float, float]]]


def _ring(
    x: float, y: float, wide: float, high: float, *, start: float = -0.25
) -> list[tuple[float, float]]:
    turns = [start - i / 8 for i in range(9)]
    return [
        (x + wide * math.cos(2 * math.pi * t), y + high * math.sin(2 * math.pi * t)) for t in turns
    ]


# Each figure: strokes of control points in the unit square, y downwards.
FIGURES: tuple[_Strokes, ...] = (
    [_ring(0.5, 0.5, 0.2, 0.3)],
    [[(0.5, 0.2), (0.5, 0.4), (0.5, 0.6), (0.5, 0.8)]],
    [[(0.4, 0.3), (0.5, 0.2), (0.5, 0.8)], [(0.4, 0.8), (0.6, 0.8)]],
    [
        [
            (0.3, 0.33),
            (0.4, 0.21),
            (0.55, 0.2),
            (0.66, 0.3),
            (0.6, 0.46),
            (0.44, 0.64),
            (0.3, 0.79),
        ],
        [(0.3, 0.79), (0.5, 0.77), (0.7, 0.79)],
    ],
    [
        [
            (0.3, 0.33),
            (0.4, 0.21),
            (0.55, 0.2),
            (0.66, 0.32),
            (0.6, 0.5),
            (0.46, 0.7),
            (0.34, 0.78),
            (0.28, 0.7),
            (0.36, 0.65),
            (0.52, 0.76),
            (0.72, 0.76),
        ]
    ],
    [
        [
            (0.32, 0.25),
            (0.48, 0.19),
            (0.64, 0.28),
            (0.6, 0.42),
            (0.46, 0.48),
            (0.62, 0.54),
            (0.68, 0.68),
            (0.54, 0.8),
            (0.32, 0.76),
        ]
    ],
    [
        [(0.36, 0.2), (0.34, 0.36), (0.33, 0.52), (0.48, 0.53), (0.66, 0.5)],
        [(0.64, 0.22), (0.63, 0.4), (0.62, 0.6), (0.6, 0.82)],
    ],
    [
        [(0.52, 0.2), (0.42, 0.38), (0.3, 0.58), (0.5, 0.58), (0.72, 0.57)],
        [(0.58, 0.3), (0.57, 0.5), (0.56, 0.8)],
    ],
    [
        [(0.66, 0.21), (0.52, 0.22), (0.38, 0.23)],
        [
            (0.38, 0.23),
            (0.36, 0.36),
            (0.35, 0.46),
            (0.5, 0.43),
            (0.64, 0.52),
            (0.64, 0.68),
            (0.5, 0.79),
            (0.32, 0.76),
        ],
    ],
    [
        [
            (0.6, 0.2),
            (0.46, 0.3),
            (0.36, 0.48),
            (0.34, 0.66),
            (0.44, 0.8),
            (0.58, 0.78),
            (0.64, 0.66),
            (0.56, 0.55),
            (0.42, 0.6),
            (0.36, 0.7),
        ]
    ],
    [
        [(0.3, 0.24), (0.48, 0.23), (0.68, 0.22)],
        [(0.68, 0.22), (0.58, 0.42), (0.5, 0.6), (0.42, 0.82)],
    ],
    [
        [(0.3, 0.24), (0.48, 0.23), (0.68, 0.22)],
        [(0.68, 0.22), (0.58, 0.42), (0.5, 0.6), (0.42, 0.82)],
        [(0.36, 0.52), (0.64, 0.51)],
    ],
    [
        [
            (0.62, 0.26),
            (0.48, 0.2),
            (0.36, 0.3),
            (0.44, 0.44),
            (0.58, 0.54),
            (0.64, 0.68),
            (0.5, 0.8),
            (0.36, 0.7),
            (0.42, 0.56),
            (0.58, 0.44),
            (0.64, 0.32),
            (0.62, 0.26),
        ]
    ],
    [_ring(0.5, 0.34, 0.14, 0.14), _ring(0.5, 0.64, 0.17, 0.16)],
    [
        [
            (0.64, 0.3),
            (0.52, 0.2),
            (0.38, 0.26),
            (0.36, 0.42),
            (0.5, 0.48),
            (0.64, 0.38),
            (0.65, 0.28),
            (0.64, 0.5),
            (0.6, 0.66),
            (0.54, 0.82),
        ]
    ],
    [_ring(0.5, 0.34, 0.15, 0.15), [(0.65, 0.32), (0.65, 0.5), (0.63, 0.66), (0.62, 0.82)]],
)
FIGURE_WEIGHTS = (2, 1.6, 0.4, 1, 1, 2, 1.2, 0.8, 2, 2, 1.4, 0.6, 1.6, 0.4, 1.4, 0.6)


def draw_strokes(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw figures of pen strokes.

    Args:
        count: pictures.
        side: pixels.
        generator: of their randomness.

    Returns:
        (count, 1, side, side), float32 in [0, 1], light on dark.
    """
    chances = torch.tensor(FIGURE_WEIGHTS)
    which = torch.multinomial(chances, count, replacement=True, generator=generator)
    points, first = _control_points()
    chosen, first = points[which], first[which]

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    # 1. Each stroke is bent: noise that is shared by neighbouring points.
    rough = normal(*chosen.shape[1:])
    smooth = 0.6 * rough + 0.4 * rough.roll(1, 1) + 0.4 * rough.roll(-1, 1)
    loose = uniform(0.005, 0.045)[:, None, None]
    chosen = torch.where(chosen > OFF_CANVAS / 2, chosen, chosen + loose * smooth)
    # 2. The figure is slanted, turned, stretched.
    turn, slant = 0.12 * normal()[:, None], (0.15 + 0.28 * normal())[:, None]
    wide, high = uniform(0.55, 1.4)[:, None], uniform(0.75, 1.12)[:, None]
    x, y = (chosen - 0.5).unbind(2)
    x, y = wide * x - slant * y, high * y
    x, y = x * torch.cos(turn) - y * torch.sin(turn), x * torch.sin(turn) + y * torch.cos(turn)
    placed = torch.stack([x, y], dim=2) + 0.5 + 0.015 * normal(1, 2)
    placed = torch.where(chosen > OFF_CANVAS / 2, chosen, placed)
    # 3. Lines between points, then ink that fades at its edge.
    starts, ends = placed[:, :-1], placed[:, 1:]
    broken = first[:, 1:, None] | (ends > OFF_CANVAS / 2)
    starts = torch.where(broken, OFF_CANVAS, starts)
    ends = torch.where(broken, OFF_CANVAS, ends)
    far = distance_to_lines(starts, ends, side)
    thick, soft = uniform(0.012, 0.062)[:, None, None], uniform(0.02, 0.035)[:, None, None]
    ink = ((thick + soft - far) / (1.5 * soft)).clamp(0, 1)
    return (ink * uniform(0.9, 1.0)[:, None, None])[:, None]


def _control_points() -> tuple[Tensor, Tensor]:
    """All figures' points (figures, MAX_LINES, 2), and which of them begin a stroke."""
    points = torch.full((len(FIGURES), MAX_LINES, 2), OFF_CANVAS)
    first = torch.zeros(len(FIGURES), MAX_LINES, dtype=torch.bool)
    for number, strokes in enumerate(FIGURES):
        place = 0
        for stroke in strokes:
            curve = _curve(
                stroke, max(2, round(len(stroke) * (MAX_LINES - 1) / sum(map(len, strokes))))
            )
            first[number, place] = True
            points[number, place : place + len(curve)] = curve[: MAX_LINES - place]
            place += len(curve)
    return points, first


def _curve(stroke: list[tuple[float, float]], count: int) -> Tensor:
    """Points along a Catmull-Rom spline through a stroke's control points."""
    knots = torch.tensor([stroke[0], *stroke, stroke[-1]])
    if len(stroke) == 2:
        return knots[1:3]
    at = torch.linspace(0, len(stroke) - 1 - 1e-4, count)
    i = at.long()
    t = (at - i)[:, None]
    p0, p1, p2, p3 = (knots[i + k] for k in range(4))
    return 0.5 * (
        2 * p1
        + (p2 - p0) * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
