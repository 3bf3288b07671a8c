"""From latent code and label to the brightness of each region: integrated gradients by Captum.

Integrated gradients (Sundararajan, Taly, Yan 2017, equation 1) follow the straight path from a
baseline to the input and share the whole change of the output among the inputs. The baseline
here is the code at the centre of the standard normal and no label at all.
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
BASELINE = "latent code 0, no label"
DIGITS = 6  # decimals kept of an attribution: float32 holds no more


def explain(
    generator: Generator, codes: Tensor, labels: Tensor, *, progress: Progress
) -> tuple[Explanation, ...]:
    """Explain samples.

    Args:
        generator: what made them.
        codes: (n, latent), float32.
        labels: (n,), int64.
        progress: told after each region.

    Returns:
        One explanation a sample.
    """
    onehot = one_hot(labels, generator.classes)
    baselines = (torch.zeros_like(codes), torch.zeros_like(onehot))
    regions = GRID.rows * GRID.columns
    method = IntegratedGradients(lambda z, y: region_brightness(generator.render(z, y)))
    attributed = []
    for region in range(regions):
        parts = method.attribute(
            (codes, onehot),
            baselines,
            target=region,
            n_steps=INTEGRATION_STEPS,
            internal_batch_size=max(len(codes), 1024),
        )
        attributed.append(torch.cat(parts, dim=1))
        progress("explaining", region + 1, regions)
    attributions = torch.stack(attributed, dim=1).detach()
    with torch.no_grad():
        reached = region_brightness(generator.render(codes, onehot))
        started = region_brightness(generator.render(*baselines))
    gaps = completeness_gaps(attributions, reached - started)
    return tuple(
        _record(attributions[i], reached[i], float(gaps[i]), generator.latent)
        for i in range(len(codes))
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
