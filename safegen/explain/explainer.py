"""The seam of explanation methods: what a method is given, and what it answers.

A method is one file with a class that has a `name` and `explain`; `registry.register` checks and
keeps it. It says how much each input moved each region; whether that can be believed is asked of
every method alike (`explain`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What attributions are measured against: other inputs of the generator.

    Attributes:
        words: what they are, as it is signed.
        noise: (n, latent), float32.
        places: (n, classes x components), float32.
    """

    words: str
    noise: Tensor
    places: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What a method says of a batch.

    Attributes:
        method: what was computed, and by which implementation.
        baseline: what the attributions are measured against.
        settings: numbers that the method was run with, by name.
        values: (n, regions, latents + 1), float32: how much each input changed each region against
            the baseline; latents first, then the label.
        faithfulness: further scores that the method knows, (n,) each, by name.
    """

    method: str
    baseline: Baseline
    settings: Mapping[str, float]
    values: Tensor
    faithfulness: Mapping[str, Tensor] = field(default_factory=dict)


class Explainer(Protocol):
    """One method of explanation.

    Attributes:
        name: by which it is asked for: small letters, digits and dashes.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - above

    def explain(self, generator: Generator, draw: LatentDraw, modality: Modality) -> Attribution:
        """Say what each input did to each region.

        Args:
            generator: what made the samples.
            draw: what they were made of; a few rows at a time.
            modality: knows the regions (`modality.regions`).
        """
        ...


def regions_of(
    generator: Generator, draw: LatentDraw, modality: Modality
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The function that is explained: a draw's parts to the regions (n, regions) of its samples."""
    weights = torch.from_numpy(modality.regions().weights).to(draw.noise)

    def regions(noise: Tensor, places: Tensor, grain: Tensor) -> Tensor:
        return generator.render(noise, places, grain).flatten(1) @ weights.T

    return regions


def average(generator: Generator, draw: LatentDraw) -> Baseline:
    """The usual baseline: no noise, and all classes mixed in equal parts.

    It is the average of what the generator makes, of no class in particular.
    """
    mixed = generator.mixed_places().to(draw.places)
    return Baseline(
        words="latents 0, all classes in equal parts",
        noise=torch.zeros_like(draw.noise),
        places=mixed.expand_as(draw.places),
    )
