"""From latents and label to the brightness of each region: integrated gradients by Captum.

Integrated gradients (Sundararajan, Taly, Yan 2017, equation 1) follow the straight path from a
baseline to the input and share the whole change of the output among the inputs.

The inputs are those of the whole generator: the latent noise, before the prior places it, and
the label, which chooses the place and may enter the decoder. Explaining the decoder alone would
give the latents credit for what the label chose. The baseline is no noise and all classes mixed in
equal parts: the average of what the generator makes, of no class in particular. Where a class has
several components, what they get is added up, so that the one that was drawn counts as the label's
part. Grain stays as it was drawn: it is no input, and the sums are those of the picture with it.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import torch
from captum.attr import IntegratedGradients

from safegen.explain.explainer import Attribution, average, by_label, regions_of

if TYPE_CHECKING:
    from safegen.modality.base import Modality
    from safegen.models.generator import Draw, Generator

STEPS = 48


class IntegratedGradientsExplainer:
    """Captum's integrated gradients, region by region."""

    name: ClassVar[str] = "integrated-gradients"

    def explain(self, generator: Generator, draw: Draw, modality: Modality) -> Attribution:
        """Follow the path from the average to each sample; see `Explainer.explain`."""
        method = IntegratedGradients(regions_of(generator, draw, modality))
        baseline = average(generator, draw)
        attributed = []
        for region in range(len(modality.regions().weights)):
            of_noise, of_places = method.attribute(
                (draw.noise, draw.places),
                (baseline.noise, baseline.places),
                additional_forward_args=(draw.grain,),
                target=region,
                n_steps=STEPS,
                internal_batch_size=max(len(draw), 1024),
            )
            attributed.append(torch.cat([of_noise, by_label(generator, of_places)], dim=1))
        return Attribution(
            method=f"integrated gradients, captum {version('captum')}",
            baseline=baseline,
            settings={"steps": STEPS},
            values=torch.stack(attributed, dim=1).detach(),
        )
