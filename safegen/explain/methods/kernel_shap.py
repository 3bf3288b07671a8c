"""Shapley values by a weighted regression on coalitions of inputs: KernelShap, by Captum.

After Lundberg and Lee 2017, section 4.1. Coalitions are drawn from a seed: `stability` says how
much another seed would change.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import torch
from captum.attr import KernelShap

from safegen.explain.explainer import Attribution, average, regions_of
from safegen.explain.methods.regionwise import input_numbers

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.baselines import BaselineOf
    from safegen.explain.explainer import Baseline
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw

COALITIONS_AN_INPUT = 16
AT_ONCE = 256  # coalitions rendered together


@dataclass(frozen=True, slots=True)
class KernelShapExplainer:
    """Captum's KernelShap, region by region."""

    baseline: BaselineOf = average
    seed: int = 0  # of coalitions; no secret
    name: ClassVar[str] = "kernel-shap"

    def explain(self, generator: Generator, draw: LatentDraw, modality: Modality) -> Attribution:
        """Fit each region to coalitions of inputs; see `Explainer.explain`."""
        base = self.baseline(generator, draw)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its regression remarks on how it is called by Captum
            values = torch.stack(
                [self._of_one(generator, draw, base, modality, row) for row in range(len(draw))]
            )
        return Attribution(
            method=f"KernelShap, captum {version('captum')}",
            baseline=base,
            settings={"coalitions": _coalitions(generator), "seed": self.seed},
            values=values,
        )

    def varied(self) -> KernelShapExplainer:
        """The same with other coalitions."""
        return replace(self, seed=self.seed + 1)

    def _of_one(
        self, generator: Generator, draw: LatentDraw, base: Baseline, modality: Modality, row: int
    ) -> Tensor:
        one = slice(row, row + 1)
        method = KernelShap(regions_of(generator, draw, modality))
        masks = input_numbers(generator.latent, draw.places.shape[1])
        found = []
        for region in range(len(modality.regions().weights)):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                noise, places = method.attribute(
                    (draw.noise[one], draw.places[one]), (base.noise[one], base.places[one]),
                    target=region, additional_forward_args=(draw.grain[one],), feature_mask=masks,
                    n_samples=_coalitions(generator), perturbations_per_eval=AT_ONCE,
                )  # fmt: skip
            found.append(torch.cat([noise[0], places[0, :1]]))
        return torch.stack(found)


def _coalitions(generator: Generator) -> int:
    return COALITIONS_AN_INPUT * (generator.latent + 1)
