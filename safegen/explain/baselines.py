"""What an explanation is measured against: the question that it answers.

An attribution is of a difference. Against `average` it says why a sample is not like the average
of all classes; against `class`, why it is not like the average of its own; against `zero`, what
latents and label did to a generator that is given nothing; against another output, why this and
not that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from safegen.errors import RequestError
from safegen.explain.explainer import Baseline, average
from safegen.models.generator import Generator, LatentDraw

if TYPE_CHECKING:
    from torch import Tensor

BaselineOf = Callable[[Generator, LatentDraw], Baseline]


def class_mean(generator: Generator, draw: LatentDraw) -> Baseline:
    """No noise, and the mean of each sample's own class: the label then did nothing."""
    shares = generator.mixed_places().to(draw.places).view(generator.classes, -1)
    own = draw.places.view(len(draw), generator.classes, -1).sum(dim=2, keepdim=True)
    within = shares / shares.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return Baseline(
        words="latents 0, the mean of its own class",
        noise=torch.zeros_like(draw.noise),
        places=(own * within).flatten(1),
    )


def zero(generator: Generator, draw: LatentDraw) -> Baseline:  # noqa: ARG001 - asked as others are
    """No noise and no class at all."""
    return Baseline(
        words="latents 0, no class",
        noise=torch.zeros_like(draw.noise),
        places=torch.zeros_like(draw.places),
    )


def another(noise: Tensor, places: Tensor, name: str) -> BaselineOf:
    """Another output: why this and not that?

    Args:
        noise: of the other, (latent,) or (1, latent), float32.
        places: of the other, (classes x components,) or (1, classes x components), float32.
        name: what it is called in the record.
    """

    def other(generator: Generator, draw: LatentDraw) -> Baseline:  # noqa: ARG001 - as above
        return Baseline(
            words=f"the output {name}",
            noise=noise.to(draw.noise).expand_as(draw.noise),
            places=places.to(draw.places).expand_as(draw.places),
        )

    return other


BASELINES_BY_NAME: dict[str, BaselineOf] = {"average": average, "class": class_mean, "zero": zero}


def baseline_named(name: str) -> BaselineOf:
    """The baseline of a name.

    Raises:
        RequestError: there is none.
    """
    if name not in BASELINES_BY_NAME:
        raise RequestError(
            f"no baseline is called {name!r}; there are {', '.join(BASELINES_BY_NAME)}"
        )
    return BASELINES_BY_NAME[name]
