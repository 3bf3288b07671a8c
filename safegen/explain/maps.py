"""Contribution maps: what each input did to every single value of a sample.

The path integral of integrated gradients (Sundararajan, Taly, Yan 2017, equation 1), in forward
mode: with few inputs and many values one pass per input and point gives what a backward pass per
value and point would. Points and weights are those of Gauss and Legendre, as Captum's are, so that
both find the same numbers.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.func import jvp, vmap

from safegen.errors import SafegenError
from safegen.explain.explainer import average

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.baselines import BaselineOf
    from safegen.explain.explainer import Baseline
    from safegen.models.generator import Generator, LatentDraw

MAP_STEPS = 32  # points of the path; `ContributionMaps.completeness_gap` says whether they do
LATENTS_AT_ONCE = 8  # moved together: what more of them need does not fit a core's own memory


@dataclass(frozen=True, slots=True, kw_only=True)
class ContributionMaps:
    """What each input did to each value of samples.

    Attributes:
        values: (n, latents + 1, *dimensions), float32; the label last.
        baseline: what the samples are measured against.
        change: (n, *dimensions), float32: sample minus baseline.
        steps: points of the path.
    """

    values: Tensor
    baseline: Baseline
    change: Tensor
    steps: int

    @property
    def completeness_gap(self) -> Tensor:
        """(n,), float32: how far maps are from adding up, over the largest change of a sample.

        Of region means, which is what is signed, less is missed: gaps of single values have
        either sign.
        """
        gaps = (self.values.sum(dim=1) - self.change).flatten(1).abs().amax(dim=1)
        return gaps / self.change.flatten(1).abs().amax(dim=1).clamp(min=1e-6)

    def over(self, weights: Tensor) -> Tensor:
        """The maps' sums over regions: (n, regions, latents + 1).

        Args:
            weights: (regions, values of one sample), float32, of a grid or of segments.
        """
        return torch.einsum("nif,rf->nri", self.values.flatten(2), weights.to(self.values))


def contribution_maps(
    generator: Generator,
    draw: LatentDraw,
    *,
    baseline: BaselineOf = average,
    steps: int = MAP_STEPS,
) -> ContributionMaps:
    """Follow the path from a baseline to each sample, one sample after another.

    Args:
        generator: what made them; `render` must have derivatives.
        draw: what they were made of.
        baseline: what they are measured against.
        steps: points of the path.

    Raises:
        SafegenError: the generator makes, or its derivative is, no finite number.
    """
    base = baseline(generator, draw)
    with torch.no_grad(), warnings.catch_warnings():
        # torch's own forward mode scripts what it needs when it is first used, and is told off.
        warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
        found = torch.stack(
            [_of_one(generator, draw, base, row, steps) for row in range(len(draw))]
        )
        reached = generator.render(draw.noise, draw.places, draw.grain)
        change = reached - generator.render(base.noise, base.places, draw.grain)
    if not (found.isfinite().all() and change.isfinite().all()):
        raise SafegenError(
            "the generator makes values, or has slopes, that are not finite; train it anew"
        )
    return ContributionMaps(values=found, baseline=base, change=change, steps=steps)


def path_points(steps: int) -> tuple[Tensor, Tensor]:
    """Where a path is looked at, in [0, 1], and with which weights, (steps,), float32."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    return (
        torch.tensor((points + 1) / 2, dtype=torch.float32),
        torch.tensor(weights / 2, dtype=torch.float32),
    )


def _of_one(generator: Generator, draw: LatentDraw, base: Baseline, row: int, steps: int) -> Tensor:
    """(latents + 1, *dimensions): the integral of each input's derivative, times its way."""
    points, weights = path_points(steps)
    grain = draw.grain[row].expand(steps, *draw.grain[row].shape)
    along_noise = draw.noise[row] - base.noise[row]
    along_places = draw.places[row] - base.places[row]
    noise = base.noise[row] + points[:, None] * along_noise
    places = base.places[row] + points[:, None] * along_places

    def of_noise(tangent: Tensor) -> Tensor:
        """Latents alone move: the places' share of the work is then done once for all latents."""
        moved: Tensor = jvp(lambda z: generator.render(z, places, grain), (noise,), (tangent,))[1]
        return torch.einsum("s,s...->...", weights, moved)

    ways = torch.diag(along_noise)[:, None].expand(-1, steps, -1)
    of_latents: Tensor = vmap(of_noise, chunk_size=LATENTS_AT_ONCE)(ways)
    way = along_places.expand(steps, -1)
    moved = jvp(lambda p: generator.render(noise, p, grain), (places,), (way,))[1]
    of_label = torch.einsum("s,s...->...", weights, moved)
    return torch.cat([of_latents, of_label[None]])
