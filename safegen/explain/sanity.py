"""Whether an explanation depends on what the network learnt (Adebayo et al. 2018).

Weights are randomised layer by layer, from the last to the first. An explanation that hardly
changes explains the shape of the network, or nothing, and not what it learnt.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from scipy.stats import spearmanr
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.explainer import Explainer
    from safegen.modality.base import Modality
    from safegen.models.generator import LatentDraw, LatentGenerator

WEIGHT_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomised:
    """How like the explanations still are when some layers are random.

    Attributes:
        layers: that are random, the last first.
        similarity: Spearman's correlation of all attributions with the true ones, in [-1, 1].
        effect: the largest change of a region that is left to explain.
    """

    layers: tuple[str, ...]
    similarity: float
    effect: float


def randomisation_test(
    generator: LatentGenerator, draw: LatentDraw, modality: Modality, explainer: Explainer
) -> list[Randomised]:
    """Explain the same draw with more and more layers random, the last layers first."""
    true = explainer.explain(generator, draw, modality).values
    changed = copy.deepcopy(generator)
    layers = [
        (name, each)
        for name, each in changed.decoder.named_modules()
        if isinstance(each, nn.Linear | nn.Conv1d | nn.Conv2d)
    ]
    found: list[Randomised] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(WEIGHT_SEED)
        for number, (_, layer) in enumerate(reversed(layers), start=1):
            layer.reset_parameters()
            names = tuple(name for name, _ in reversed(layers))[:number]
            values = explainer.explain(changed, draw, modality).values
            found.append(
                Randomised(
                    layers=names,
                    similarity=similarity(true, values),
                    effect=float(values.sum(dim=2).abs().max()),
                )
            )
    return found


def similarity(one: Tensor, other: Tensor) -> float:
    """Spearman's correlation of attributions (n, regions, inputs), sample by sample, their mean."""
    each = [
        float(spearmanr(a.flatten().numpy(), b.flatten().numpy()).statistic)
        for a, b in zip(one, other, strict=True)
        if a.flatten().std() > 0 and b.flatten().std() > 0
    ]
    return sum(each) / len(each) if each else 0.0
