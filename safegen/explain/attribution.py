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
from typing import TYPE_CHECKING

import torch
from captum.attr import IntegratedGradients
from torch import Tensor
from torch.nn import functional

from safegen.explain.faithfulness import completeness_gaps
from safegen.schemas.explanation import Explanation, Grid, RegionSummary

if TYPE_CHECKING:
    from safegen.models.generator import Draw, Generator
    from safegen.progress import Progress

GRID = Grid(rows=4, columns=4)
INTEGRATION_STEPS = 48
TOP = 3  # latents named for a region
BASELINE = "latents 0, all classes in equal parts"
DIGITS = 6  # decimals kept of an attribution: float32 holds no more


def explain(generator: Generator, draw: Draw, *, progress: Progress) -> tuple[Explanation, ...]:
    """Explain samples.

    Args:
        generator: what made them.
        draw: what they were made of.
        progress: told after each region.

    Returns:
        One explanation a sample.
    """
    inputs = (draw.noise, draw.places)
    baselines = (
        torch.zeros_like(draw.noise),
        generator.mixed_places().to(draw.places).expand_as(draw.places),
    )
    regions = GRID.rows * GRID.columns
    method = IntegratedGradients(lambda z, y, g: region_brightness(generator.render(z, y, g)))
    attributed = []
    for region in range(regions):
        parts = method.attribute(
            inputs,
            baselines,
            additional_forward_args=(draw.grain,),
            target=region,
            n_steps=INTEGRATION_STEPS,
            internal_batch_size=max(len(draw), 1024),
        )
        of_noise, of_places = parts
        of_labels = of_places.view(len(draw), generator.classes, -1).sum(dim=2)
        attributed.append(torch.cat([of_noise, of_labels], dim=1))
        progress("explaining regions", region + 1, regions)
    attributions = torch.stack(attributed, dim=1).detach()
    with torch.no_grad():
        reached = region_brightness(generator.render(*inputs, draw.grain))
        started = region_brightness(generator.render(*baselines, draw.grain))
    gaps = completeness_gaps(attributions, reached - started)
    return tuple(
        _record(attributions[i], reached[i], float(gaps[i]), generator.latent)
        for i in range(len(draw))
    )


def region_brightness(pictures: Tensor) -> Tensor:
    """Mean brightness of each region: (n, channels, h, w) in [0, 1] to (n, rows x columns)."""
    grey = pictures.mean(dim=1, keepdim=True)
    return functional.adaptive_avg_pool2d(grey, (GRID.rows, GRID.columns)).flatten(1)


def _record(attributions: Tensor, brightness: Tensor, gap: float, latents: int) -> Explanation:
    """One sample's explanation from its (regions, latents + classes) attributions."""
    sizes = attributions.abs()
    label_share = sizes[:, latents:].sum(dim=1) / sizes.sum(dim=1).clamp(min=1e-12)
    strongest = sizes[:, :latents].topk(min(TOP, latents), dim=1).indices
    return Explanation(
        method=f"integrated gradients, captum {version('captum')}",
        integration_steps=INTEGRATION_STEPS,
        baseline=BASELINE,
        grid=GRID,
        regions=tuple(
            RegionSummary(
                row=region // GRID.columns,
                column=region % GRID.columns,
                brightness=_rounded(brightness[region]),
                label_share=_rounded(label_share[region]),
                top_latents=tuple(strongest[region].tolist()),
            )
            for region in range(len(attributions))
        ),
        attributions=tuple(tuple(round(v, DIGITS) for v in row) for row in attributions.tolist()),
        latents=latents,
        completeness_gap=round(gap, DIGITS),
    )


def _rounded(value: Tensor) -> float:
    return round(float(value), DIGITS)
