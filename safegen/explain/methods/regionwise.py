"""Captum's methods explain one number at a time: a sample's regions go through them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from safegen.explain.explainer import Baseline
    from safegen.models.generator import LatentDraw

    Attribute = Callable[
        [tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor, Tensor], tuple[Tensor, Tensor]
    ]


def row_by_row(attribute: Attribute, draw: LatentDraw, base: Baseline, regions: int) -> Tensor:
    """Every sample's attributions, (n, regions, latents + 1); one sample after another.

    So its numbers do not depend, in their last bits, on how many were explained with it.

    Args:
        attribute: given inputs (noise, places), baselines, grain and targets, a row a region each,
            answers with attributions of noise and of places.
        draw: what the samples were made of.
        base: what they are measured against.
        regions: how many.
    """
    targets = torch.arange(regions)
    found = []
    for row in range(len(draw)):
        noise, places = attribute(
            (_repeated(draw.noise[row], regions), _repeated(draw.places[row], regions)),
            (_repeated(base.noise[row], regions), _repeated(base.places[row], regions)),
            _repeated(draw.grain[row], regions),
            targets,
        )
        found.append(torch.cat([noise, places.sum(dim=1, keepdim=True)], dim=1).detach())
    return torch.stack(found)


def input_numbers(latents: int, places: int) -> tuple[Tensor, Tensor]:
    """Which input each number belongs to: every latent is one, all places together are the label.

    Returns:
        (1, latents) and (1, places), int64, as Captum's feature masks.
    """
    return torch.arange(latents)[None], torch.full((1, places), latents)


def _repeated(row: Tensor, times: int) -> Tensor:
    return row.expand(times, *row.shape).contiguous()
