"""Writing a mark again and again, each time a little better, through distortions; in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from safegen.marks.distortions import HARSH, WORST, hit
from safegen.marks.networks import brightness_of

if TYPE_CHECKING:
    from safegen.marks.writing import Canvas

STEPS = 24
STEP_SIZE = 0.6  # of the root mean square that is allowed, at first; it shrinks to nothing
INERTIA = 0.6
MARGIN = 2.0  # certainty that a bit is to be read with

BOTH = (HARSH, WORST)  # of each in turn one a step: what clips marks away, and what smears them


def refined(canvas: Canvas, marked: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    """Marked pictures changed so that the extractor reads them more surely, also when distorted.

    Gradients are taken through random distortions (expectation over transformation: Athalye et
    al., ICML 2018), from the marked pictures on: from unmarked ones they lead nowhere.

    Args:
        canvas: what was marked.
        marked: (count, 1 or 3, height, width), float32 in [0, 255].
        signs: (count, word_bits), float32: 1 and -1, the word.

    Returns:
        As `marked`.
    """
    generator = torch.Generator().manual_seed(0)
    change = brightness_of(marked - canvas.pictures)
    drift = torch.zeros_like(change)
    twice = torch.cat([signs, signs])
    for step in range(STEPS):
        change.requires_grad_()
        brightness = brightness_of(canvas.within(change))
        seen = torch.cat([hit(brightness, kinds[step % len(kinds)], generator) for kinds in BOTH])
        loss = functional.softplus(MARGIN - canvas.network(seen) * twice).sum()
        (slope,) = torch.autograd.grad(loss, change)
        slope = slope / slope.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        drift = INERTIA * drift + (1 - INERTIA) * slope
        with torch.no_grad():
            size = STEP_SIZE * canvas.root_mean_square * (1 - step / STEPS)
            change = brightness_of(canvas.within(change - size * drift) - canvas.pictures)
    return canvas.within(change)
