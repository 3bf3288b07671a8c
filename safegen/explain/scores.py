"""What a full explanation is asked besides: does it tell what really happens, and is it steady?

Every score is one number a sample, computed by safegen whatever method explained, from what the
generator does when inputs are set back to the baseline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import spearmanr

from safegen.explain.methods.metrics import max_sensitivity, relative_infidelity
from safegen.explain.switches import Switches

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.explainer import Attribution, Explainer
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw

RANDOM_ORDERS = 16  # that deletion and insertion are compared with
ORDER_SEED = 0


def full_scores(
    generator: Generator,
    draw: LatentDraw,
    modality: Modality,
    explainer: Explainer,
    said: Attribution,
) -> dict[str, Tensor]:
    """All scores of a full explanation, (n,) each, by name; see docs/explanations.md."""
    rows = [
        _of_one(Switches.of(generator, draw, said.baseline, modality, row), explainer, values)
        for row, values in enumerate(said.values)
    ]
    return {name: torch.tensor([each[name] for each in rows]) for name in rows[0]}


def _of_one(switches: Switches, explainer: Explainer, values: Tensor) -> dict[str, float]:
    lost, gained = switches.lost(), switches.gained()
    deletion, insertion = _against_chance(switches, values)
    return {
        "rank_correlation": rank_correlation(values, lost),
        "interaction": interaction(lost, gained),
        "infidelity": relative_infidelity(switches, values),
        "max_sensitivity": max_sensitivity(switches, explainer),
        "deletion": deletion,
        "insertion": insertion,
        "stability": _instability(switches, explainer, values),
    }


def rank_correlation(attributions: Tensor, effects: Tensor) -> float:
    """Spearman's between how strongly inputs are said to act, and how strongly they do.

    Args:
        attributions: (regions, inputs), float32.
        effects: (regions, inputs): what setting back each input alone does.

    Returns:
        In [-1, 1]; 0 where all inputs are alike.
    """
    said, done = (each.abs().sum(dim=0).numpy() for each in (attributions, effects))
    if np.ptp(said) == 0 or np.ptp(done) == 0:
        return 0.0
    return float(spearmanr(said, done).statistic)


def interaction(lost: Tensor, gained: Tensor) -> float:
    """How far what an input does depends on the others, in [0, 1].

    An input that acts alone does the same when it is the first to be switched on and when it is the
    last. 0 where all act alone, 1 where they act only together.
    """
    apart, together = (lost - gained).abs().sum(), (lost.abs() + gained.abs()).sum()
    return float(apart / together.clamp(min=1e-12))


def _against_chance(switches: Switches, attributions: Tensor) -> tuple[float, float]:
    """Deletion and insertion (Petsiuk, Das, Saenko 2018), minus what random orders reach.

    Inputs are set back, the strongest first, or switched on, the strongest first. Both are areas
    under the curve of the way to the other end, in [0, 1]; above 0 the order beats chance.
    """
    source = torch.Generator().manual_seed(ORDER_SEED)
    chance = [torch.randperm(switches.inputs, generator=source) for _ in range(RANDOM_ORDERS)]
    order = attributions.abs().sum(dim=0).argsort(descending=True, stable=True)
    inserted = torch.stack([_switched_on(each) for each in (order, *chance)])
    found = []
    for settings in (1 - inserted, inserted):
        seen = switches(settings.flatten(0, 1)).view(*settings.shape[:2], -1)
        away = (seen - seen[:, :1]).abs().sum(dim=2)
        areas = (away / away[:, -1:].clamp(min=1e-12)).clamp(max=1).mean(dim=1)
        found.append(float(areas[0] - areas[1:].mean()))
    return found[0], found[1]


def _switched_on(order: Tensor) -> Tensor:
    """(inputs + 1, inputs): none on, then one after another."""
    turns = order.argsort()
    return (torch.arange(len(order) + 1)[:, None] > turns).float()


def _instability(switches: Switches, explainer: Explainer, values: Tensor) -> float:
    """How far another seed, or twice the points, change attributions, relatively.

    0 for a method that has neither (`varied`).
    """
    if not hasattr(explainer, "varied"):
        return 0.0
    again = explainer.varied().explain(switches.generator, switches.draw, switches.modality)
    return float((again.values[0] - values).norm() / values.norm().clamp(min=1e-12))
