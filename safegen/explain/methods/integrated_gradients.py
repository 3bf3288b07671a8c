"""From latents and label to the brightness of each region: integrated gradients by Captum.

Integrated gradients (Sundararajan, Taly, Yan 2017, equation 1) follow the straight path from a
baseline to the input and share the whole change of the output among the inputs.

The inputs are those of the whole generator: the latent noise, before the prior places it, and
the label, which chooses the place and may enter the decoder. Explaining the decoder alone would
give the latents credit for what the label chose. The baseline is no noise and all classes mixed in
equal parts: the average of what the generator makes, of no class in particular. What classes and
their components get is added up, with its signs: it is the label's part. Grain stays as it was
drawn: it is no input, and the sums are those of the picture with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import torch
from captum.attr import IntegratedGradients

from safegen.explain.explainer import Attribution, average, regions_of

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.baselines import BaselineOf
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw

STEPS = 48


@dataclass(frozen=True, slots=True)
class IntegratedGradientsExplainer:
    """Captum's integrated gradients, region by region."""

    baseline: BaselineOf = average
    steps: int = STEPS
    name: ClassVar[str] = "integrated-gradients"

    def explain(self, generator: Generator, draw: LatentDraw, modality: Modality) -> Attribution:
        """Follow the path from the average to each sample; see `Explainer.explain`.

        One sample after another, so that its numbers do not depend, in their last bits, on how
        many were explained with it.
        """
        found = [
            gradients_of_regions(
                generator,
                draw.rows(slice(row, row + 1)),
                modality,
                baseline=self.baseline,
                steps=self.steps,
            )
            for row in range(len(draw))
        ]
        return Attribution(
            method=f"integrated gradients, captum {version('captum')}",
            baseline=self.baseline(generator, draw),
            settings={"steps": self.steps},
            values=torch.cat(
                [torch.cat([noise, places.sum(2, keepdim=True)], dim=2) for noise, places in found]
            ),
        )

    def varied(self) -> IntegratedGradientsExplainer:
        """The same with twice as many points."""
        return replace(self, steps=2 * self.steps)


def gradients_of_regions(
    generator: Generator,
    draw: LatentDraw,
    modality: Modality,
    *,
    baseline: BaselineOf = average,
    steps: int = STEPS,
) -> tuple[Tensor, Tensor]:
    """Integrated gradients of each region: of noise (n, regions, latent), and of places."""
    method = IntegratedGradients(regions_of(generator, draw, modality))
    base = baseline(generator, draw)
    found = [
        method.attribute(
            (draw.noise, draw.places),
            (base.noise, base.places),
            additional_forward_args=(draw.grain,),
            target=region,
            n_steps=steps,
            internal_batch_size=max(len(draw), 1024),
        )
        for region in range(len(modality.regions().weights))
    ]
    noise, places = (torch.stack(each, dim=1).detach() for each in zip(*found, strict=True))
    return noise, places
