"""Explanations as version 0.1 made them, so that what it signed can be made again."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import torch

from safegen.explain.explainer import average, regions_of
from safegen.explain.faithfulness import completeness_gaps
from safegen.explain.methods.integrated_gradients import STEPS, gradients_of_regions
from safegen.schemas.explanation import FirstExplanation, RegionSummary

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw

TOP = 3  # latents named for a region
DIGITS = 6


def explain_first(
    generator: Generator, draw: LatentDraw, modality: Modality
) -> list[FirstExplanation]:
    """Explain samples, all of which are attributed together."""
    noise, places = gradients_of_regions(generator, draw, modality)
    labels = places.view(*places.shape[:2], generator.classes, -1).sum(dim=3)
    attributions = torch.cat([noise, labels], dim=2)
    regions, base = regions_of(generator, draw, modality), average(generator, draw)
    with torch.no_grad():
        reached = regions(draw.noise, draw.places, draw.grain)
        started = regions(base.noise, base.places, draw.grain)
    gaps = completeness_gaps(attributions, reached - started)
    grid = modality.regions().grid
    return [
        FirstExplanation(
            method=f"integrated gradients, captum {version('captum')}",
            integration_steps=STEPS,
            baseline=base.words,
            grid=grid,
            regions=_summaries(attributions[row], reached[row], generator.latent, grid.columns),
            attributions=tuple(
                tuple(round(v, DIGITS) for v in each) for each in attributions[row].tolist()
            ),
            latents=generator.latent,
            completeness_gap=round(float(gaps[row]), DIGITS),
        )
        for row in range(len(draw))
    ]


def _summaries(
    attributions: Tensor, brightness: Tensor, latents: int, columns: int
) -> tuple[RegionSummary, ...]:
    sizes = attributions.abs()
    shares = sizes[:, latents:].sum(dim=1) / sizes.sum(dim=1).clamp(min=1e-12)
    strongest = sizes[:, :latents].topk(min(TOP, latents), dim=1).indices
    return tuple(
        RegionSummary(
            row=region // columns,
            column=region % columns,
            brightness=round(float(brightness[region]), DIGITS),
            label_share=round(float(shares[region]), DIGITS),
            top_latents=tuple(strongest[region].tolist()),
        )
        for region in range(len(attributions))
    )
