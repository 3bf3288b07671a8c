"""Which units of each of a decoder's layers a number goes through: layer conductance, by Captum.

After Dhamdhere, Sundararajan, Yan 2018: the path integral of integrated gradients, split by the
units of a layer. Each layer's conductances add up to the whole change, so layers can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from captum.attr import LayerConductance
from torch import nn

from safegen.errors import InputError
from safegen.explain.explainer import average, regions_of

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.baselines import BaselineOf
    from safegen.modality.base import Modality
    from safegen.models.generator import LatentDraw, LatentGenerator

PATH_STEPS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductance:
    """What goes through one layer.

    Attributes:
        layer: its name in the decoder.
        units: (n, units), float32: through each unit, or each channel of a convolution.
        change: of the region, (n,), float32, to which they add up.
    """

    layer: str
    units: Tensor
    change: Tensor


def conductances(
    generator: LatentGenerator,
    draw: LatentDraw,
    modality: Modality,
    *,
    region: int,
    baseline: BaselineOf = average,
) -> list[Conductance]:
    """Of one region, through every layer of the decoder, from the latents on.

    Args:
        generator: what made the samples.
        draw: what they were made of.
        modality: knows the regions.
        region: its number.
        baseline: what the samples are measured against.

    Raises:
        InputError: there is no such region, or the decoder has no layers.
    """
    count = len(modality.regions().weights)
    if not 0 <= region < count:
        raise InputError(f"there is no region {region}; they go from 0 to {count - 1}")
    layers = {
        name: each
        for name, each in generator.decoder.named_modules()
        if isinstance(each, nn.Linear | nn.Conv1d | nn.Conv2d)
    }
    if not layers:
        raise InputError("this decoder has no linear layer or convolution to look into")
    base, regions = baseline(generator, draw), regions_of(generator, draw, modality)
    with torch.no_grad():
        reached = regions(draw.noise, draw.places, draw.grain)[:, region]
        change = reached - regions(base.noise, base.places, draw.grain)[:, region]
    found = []
    for name, layer in layers.items():
        through = LayerConductance(regions, layer).attribute(
            (draw.noise, draw.places), (base.noise, base.places), target=region,
            additional_forward_args=(draw.grain,), n_steps=PATH_STEPS,
        )  # fmt: skip
        units = through.detach().reshape(*through.shape[:2], -1).sum(dim=2)
        found.append(Conductance(layer=name, units=units, change=change))
    return found
