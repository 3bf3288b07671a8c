"""What is lost when one input is set back to the baseline: feature ablation, by Captum.

The plainest question: it needs no gradient, and any generator or classifier does. Effects of single
inputs do not add up where inputs act together, and its completeness gap says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import torch
from captum.attr import FeatureAblation

from safegen.explain.explainer import Attribution, average, regions_of
from safegen.explain.methods.regionwise import input_numbers, row_by_row

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.baselines import BaselineOf
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw


@dataclass(frozen=True, slots=True)
class FeatureAblationExplainer:
    """Captum's feature ablation: every latent alone, and the label."""

    baseline: BaselineOf = average
    name: ClassVar[str] = "feature-ablation"

    def explain(self, generator: Generator, draw: LatentDraw, modality: Modality) -> Attribution:
        """Set inputs back one at a time; see `Explainer.explain`."""
        base = self.baseline(generator, draw)
        method = FeatureAblation(regions_of(generator, draw, modality))
        masks = input_numbers(generator.latent, draw.places.shape[1])

        def attribute(
            inputs: tuple[Tensor, Tensor],
            baselines: tuple[Tensor, Tensor],
            grain: Tensor,
            targets: Tensor,
        ) -> tuple[Tensor, Tensor]:
            noise, places = method.attribute(
                inputs, baselines, target=targets, additional_forward_args=(grain,),
                feature_mask=masks, perturbations_per_eval=generator.latent + 1,
            )  # fmt: skip
            return noise, places[:, :1]  # every place has the whole effect of the label

        with torch.no_grad():
            values = row_by_row(attribute, draw, base, len(modality.regions().weights))
        return Attribution(
            method=f"feature ablation, captum {version('captum')}",
            baseline=base,
            settings={"inputs": generator.latent + 1},
            values=values,
        )
