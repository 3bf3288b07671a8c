"""Inputs as switches: 1 where an input is a sample's own, 0 where it is the baseline's.

Scores ask what happens when inputs are set back, whichever method attributed; a switch an input,
the label's included, is all that they need to know of a generator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from safegen.explain.explainer import regions_of

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.explainer import Baseline
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw

AT_ONCE = 1024  # settings rendered together


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """One sample's regions as a function of its switches.

    Attributes:
        generator: what made it.
        draw: what it was made of, one row.
        baseline: what it is measured against, one row.
        modality: knows the regions.
    """

    generator: Generator
    draw: LatentDraw
    baseline: Baseline
    modality: Modality

    @property
    def inputs(self) -> int:
        """How many switches there are: the latents, then the label."""
        return self.generator.latent + 1

    @torch.no_grad()
    def __call__(self, settings: Tensor) -> Tensor:
        """The regions (n, regions) at settings (n, inputs), float32 in [0, 1]."""
        regions = regions_of(self.generator, self.draw, self.modality)
        found = []
        for part in torch.split(settings, AT_ONCE):
            noise = torch.lerp(self.baseline.noise, self.draw.noise, part[:, :-1])
            places = torch.lerp(self.baseline.places, self.draw.places, part[:, -1:])
            grain = self.draw.grain.expand(len(part), *self.draw.grain.shape[1:])
            found.append(regions(noise, places, grain))
        return torch.cat(found)

    def lost(self) -> Tensor:
        """(regions, inputs): what is lost when each input alone is set back."""
        whole, without = torch.ones(1, self.inputs), 1 - torch.eye(self.inputs)
        return (self(whole) - self(without)).T

    def gained(self) -> Tensor:
        """(regions, inputs): what is gained when each input alone is the sample's own."""
        return (self(torch.eye(self.inputs)) - self(torch.zeros(1, self.inputs))).T

    @classmethod
    def of(
        cls,
        generator: Generator,
        draw: LatentDraw,
        baseline: Baseline,
        modality: Modality,
        row: int,
    ) -> Switches:
        """Those of one row of a batch."""
        one = slice(row, row + 1)
        return cls(
            generator=generator,
            draw=draw.rows(one),
            baseline=replace(baseline, noise=baseline.noise[one], places=baseline.places[one]),
            modality=modality,
        )
