"""Explaining one number: what a classifier, or any function, says of a sample.

The function is put behind the generator, so that every method explains it as it explains a region.
Where it has no gradient, methods that follow one cannot; then inputs are set back instead, and that
is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from safegen.errors import InputError
from safegen.explain.explainer import average
from safegen.explain.registry import explainer_named
from safegen.explain.switches import Switches
from safegen.modality.regions import Regions
from safegen.schemas.explanation import Grid

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from safegen.explain.explainer import Attribution
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw

    Score = Callable[[Tensor], Tensor]

WITHOUT_GRADIENT = "feature-ablation"
NEED_GRADIENT = {"integrated-gradients", "deeplift"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedScore:
    """What inputs did to one number.

    Attributes:
        attribution: `values` are (n, 1, latents + 1).
        remark: why another method explained than was asked for; empty where it was the one.
    """

    attribution: Attribution
    remark: str


def explain_score(
    generator: Generator,
    draw: LatentDraw,
    score: Score,
    *,
    explainer: str = "integrated-gradients",
) -> ExplainedScore:
    """Say what each latent, and the label, did to a score of each sample.

    Args:
        generator: what made the samples.
        draw: what they were made of.
        score: samples (n, *dimensions) in [0, 1] to numbers (n,).
        explainer: a method's name.

    Raises:
        InputError: the score does not depend on any input, is not finite, or is not one a sample.
    """
    scored, region = ScoredGenerator(generator, score), _one_region()
    _require_dependence(scored, draw, region)
    remark = ""
    if explainer in NEED_GRADIENT and (explainer == "deeplift" or not _has_gradient(scored, draw)):
        why = "sees no layers of a score" if explainer == "deeplift" else "finds no gradient here"
        remark = f"{explainer} {why}; {WITHOUT_GRADIENT}, which sets inputs back, explained instead"
        explainer = WITHOUT_GRADIENT
    said = explainer_named(explainer).explain(scored, draw, region)
    return ExplainedScore(attribution=said, remark=remark)


class ScoredGenerator:
    """A generator whose samples are what a function says of another one's."""

    def __init__(self, generator: Generator, score: Score) -> None:
        self._generator, self._score = generator, score
        self.classes, self.latent = generator.classes, generator.latent

    def render(self, noise: Tensor, places: Tensor, grain: Tensor) -> Tensor:
        """Scores (n, 1) of a draw's parts."""
        found = self._score(self._generator.render(noise, places, grain))
        if found.numel() != len(noise):
            raise InputError("a score is one number a sample; pick one of the classifier's outputs")
        return found.reshape(len(noise), 1)

    def draw(self, labels: Tensor, seed: int) -> LatentDraw:
        """As the generator draws."""
        return self._generator.draw(labels, seed)

    def mixed_places(self) -> Tensor:
        """As the generator's."""
        return self._generator.mixed_places()

    def sample(self, labels: Tensor, seed: int) -> Tensor:
        """One score a label."""
        drawn = self.draw(labels, seed)
        return self.render(drawn.noise, drawn.places, drawn.grain)


def _one_region() -> Modality:
    """What stands for a kind of data whose samples are one number."""
    regions = Regions(grid=Grid(rows=1, columns=1), weights=np.ones((1, 1), dtype=np.float32))

    class OneNumber:
        dimensions = (1,)

        def regions(self) -> Regions:
            return regions

    return cast("Modality", OneNumber())


def _require_dependence(scored: ScoredGenerator, draw: LatentDraw, region: Modality) -> None:
    base = average(scored, draw)
    seen = []
    for row in range(len(draw)):
        switches = Switches.of(scored, draw, base, region, row)
        ends = torch.stack([torch.zeros(switches.inputs), torch.ones(switches.inputs)])
        try:
            seen.append(switches(torch.cat([ends, torch.eye(switches.inputs)])))
        except RuntimeError as error:
            raise InputError(
                f"the score does not take samples as they are made: {error}"
            ) from error
    values = torch.stack(seen)
    if not values.isfinite().all():
        raise InputError("the score of a sample is not finite; nothing can be said of it")
    if bool((values == values[:, :1]).all()):
        raise InputError("the score does not depend on any latent or on the label")


def _has_gradient(scored: ScoredGenerator, draw: LatentDraw) -> bool:
    noise = draw.noise[:1].clone().requires_grad_()
    places = draw.places[:1].clone().requires_grad_()
    try:
        (slope, _) = torch.autograd.grad(
            scored.render(noise, places, draw.grain[:1]).sum(), (noise, places), allow_unused=True
        )
    except RuntimeError:
        return False
    return slope is not None and bool(slope.isfinite().all()) and bool(slope.any())
