"""What each input does when the inputs are set back one after another: sampled Shapley values.

From the baseline, inputs are switched on one by one, in an order and in its reverse; an input gets
the mean of what it changed (permutation sampling, Castro, Gomez, Tejada 2009; orders in pairs that
are each other's reverse, Mitchell et al. 2022). Attributions add up to the whole change in every
order. How much the two orders disagree is signed with them: inputs that act only together make
both attributions depend on which came first.

It needs no gradient, one pass an input, and a whole batch at once, and does not mind the kinks
where a picture is black or white, at which a path integral needs many points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch

from safegen.explain.explainer import Attribution, average, regions_of

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.explain.baselines import BaselineOf
    from safegen.explain.explainer import Baseline
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw

PAIRS = 1  # of orders
ORDER_SEED = 0  # no secret; the same for all samples
AT_ONCE = 1024  # samples rendered together: more are slower
ORDER_GAP = "order_gap"


@dataclass(frozen=True, slots=True)
class ShapleyExplainer:
    """Shapley values from pairs of orders."""

    baseline: BaselineOf = average
    seed: int = ORDER_SEED
    name: ClassVar[str] = "shapley"

    def explain(self, generator: Generator, draw: LatentDraw, modality: Modality) -> Attribution:
        """Switch inputs on one by one; see `Explainer.explain`."""
        baseline = self.baseline(generator, draw)
        with torch.no_grad():
            found = torch.stack(
                [
                    _in_order(generator, draw, modality, baseline, order)
                    for order in orders(generator.latent + 1, self.seed)
                ]
            )
        values = found.mean(dim=0)
        apart = (found - values).abs().mean(dim=0).sum(dim=(1, 2))
        return Attribution(
            method="sampled Shapley values",
            baseline=baseline,
            settings={"orders": 2 * PAIRS},
            values=values,
            faithfulness={ORDER_GAP: apart / values.abs().sum(dim=(1, 2)).clamp(min=1e-12)},
        )

    def varied(self) -> ShapleyExplainer:
        """The same with other orders."""
        return replace(self, seed=self.seed + 1)


def orders(inputs: int, seed: int = ORDER_SEED) -> list[Tensor]:
    """Orders of the inputs, (inputs,), int64, each followed by its reverse."""
    source = torch.Generator().manual_seed(seed)
    drawn = [torch.randperm(inputs, generator=source) for _ in range(PAIRS)]
    return [order for each in drawn for order in (each, each.flip(0))]


def _in_order(
    generator: Generator, draw: LatentDraw, modality: Modality, baseline: Baseline, order: Tensor
) -> Tensor:
    """(n, regions, inputs): what each input changed when it was switched on in its turn."""
    regions = regions_of(generator, draw, modality)
    inputs = len(order)
    on = torch.zeros(inputs + 1, inputs, dtype=torch.bool)
    for turn, each in enumerate(order.tolist()):
        on[turn + 1 :, each] = True
    rows = max(1, AT_ONCE // (inputs + 1))
    found = []
    for start in range(0, len(draw), rows):
        part = (torch.arange(rows) + start).clamp(max=len(draw) - 1)  # a fixed shape: see below
        noise = torch.where(on[:, None, :-1], draw.noise[part], baseline.noise[part])
        places = torch.where(on[:, None, -1:], draw.places[part], baseline.places[part])
        grain = draw.grain[part].expand(inputs + 1, *draw.grain[part].shape)
        seen = regions(noise.flatten(0, 1), places.flatten(0, 1), grain.flatten(0, 1))
        changes = seen.view(inputs + 1, rows, -1).diff(dim=0)
        found.append(changes[order.argsort()].permute(1, 2, 0))
    # In another shape, sums would be rounded otherwise, and one output explained again by itself
    # would have another digest.
    return torch.cat(found)[: len(draw)]
