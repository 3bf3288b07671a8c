"""From latents and label to the brightness of each region: integrated gradients by Captum.

Integrated gradients (Sundararajan, Taly, Yan 2017, equation 1) follow the straight path from a
baseline to the input and share the whole change of the output among the inputs.

The inputs are those of the whole generator: the latent noise, before the prior places it, and
the label, which both chooses the place and enters the decoder. Explaining the decoder alone would
give the latents credit for what the label chose. The baseline is no noise and all classes mixed in
equal parts: the average of what the generator makes, of no class in particular.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import torch
from captum.attr import IntegratedGradients
from torch import Tensor
from torch.nn import functional

from safegen.explain.faithfulness import completeness_gaps
from safegen.models.generator import one_hot
from safegen.records.explanation import Explanation, Grid, RegionSummary

if TYPE_CHECKING:
    from safegen.models.generator import Generator
    from safegen.progress import Progress

GRID = Grid(rows=4, columns=4)
INTEGRATION_STEPS = 48
TOP = 3  # latents named for a region
BASELINE = "latents 0, all classes in equal parts"
DIGITS = 6  # decimals kept of an attribution: float32 holds no more


def explain(
    generator: Generator, noise: Tensor, labels: Tensor, *, progress: Progress
) -> tuple[Explanation, ...]:
    """Explain samples.

    Args:
        generator: what made them.
        noise: (n, latent), float32, standard normal.
        labels: (n,), int64.
        progress: told after each region.

    Returns:
        One explanation a sample.
    """
    onehot = one_hot(labels, generator.classes)
    baselines = (torch.zeros_like(noise), torch.full_like(onehot, 1 / generator.classes))
    regions = GRID.rows * GRID.columns
    method = IntegratedGradients(lambda z, y: region_brightness(generator.render(z, y)))
    attributed = []
    for region in range(regions):
        parts = method.attribute(
            (noise, onehot),
            baselines,
            target=region,
            n_steps=INTEGRATION_STEPS,
            internal_batch_size=max(len(noise), 1024),
        )
        attributed.append(torch.cat(parts, dim=1))
        progress("explaining", region + 1, regions)
    attributions = torch.stack(attributed, dim=1).detach()
    with torch.no_grad():
        reached = region_brightness(generator.render(noise, onehot))
        started = region_brightness(generator.render(*baselines))
    gaps = completeness_gaps(attributions, reached - started)
    return tuple(
        _record(attributions[i], reached[i], float(gaps[i]), generator.latent)
        for i in range(len(noise))
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
