"""Infidelity and sensitivity of explanations, by Captum (Yeh et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from captum.metrics import infidelity, sensitivity_max

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.explainer import Explainer
    from safegen.explain.switches import Switches

INPUT_SUBSETS = 64  # of inputs, set back together
LATENT_NEIGHBOURS = 3  # of a sample, explained as well
LATENT_RADIUS = 0.02  # in every latent; 1 is a latent's deviation
DRAW_SEED = 0  # of both; no secret


def relative_infidelity(switches: Switches, attributions: Tensor) -> float:
    """How badly attributions tell what setting back a subset of the inputs does.

    The expected squared error (definition 2.1), over what attributions of nothing but zeros would
    have: 0 is exact, 1 as bad as no explanation.

    Args:
        switches: the sample's.
        attributions: (regions, inputs), float32.
    """
    count = len(attributions)
    whole = torch.ones(count, switches.inputs)

    def half_set_back(settings: Tensor) -> tuple[Tensor, Tensor]:
        lost = torch.bernoulli(torch.full_like(settings, 0.5))
        return lost, settings - lost

    def error(told: Tensor) -> float:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(DRAW_SEED)
            found = infidelity(
                switches, half_set_back, whole, told, target=torch.arange(count),
                n_perturb_samples=INPUT_SUBSETS,
            )  # fmt: skip
        return float(found.sum())

    return error(attributions) / max(error(torch.zeros_like(attributions)), 1e-12)


def max_sensitivity(switches: Switches, explainer: Explainer) -> float:
    """How far attributions change at most, relatively, when latents change a little.

    After equation 5 of the paper, from a few neighbours: a lower bound of the maximum.
    """
    draw = switches.draw

    def explained(inputs: Tensor | tuple[Tensor]) -> tuple[Tensor]:
        noises = inputs if isinstance(inputs, torch.Tensor) else inputs[0]  # Captum gives both
        found = [
            explainer.explain(switches.generator, draw.with_noise(each[None]), switches.modality)
            for each in noises
        ]
        return (torch.cat([each.values for each in found]),)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(DRAW_SEED)
        found = sensitivity_max(
            explained, draw.noise, perturb_radius=LATENT_RADIUS, n_perturb_samples=LATENT_NEIGHBOURS
        )
    return float(found)
