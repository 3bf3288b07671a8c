"""Samples to explanations: any method's answer, looked at and scored like every other's.

1. Let the method attribute all samples.
2. Refuse an answer that is of another shape, or not finite.
3. Score it: do the attributions add up to what they explain, and is that anything? For a full
   explanation, ask besides whether they tell what really happens, and whether they are steady.
4. Write one record a sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.errors import InputError, SafegenError
from safegen.explain.arrays import array_digest
from safegen.explain.explainer import regions_of
from safegen.explain.faithfulness import COMPLETENESS_GAP, EFFECT_NAME, completeness_gaps, effects
from safegen.schemas.explanation import Arrays, Explanation

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from safegen.explain.explainer import Attribution, Explainer
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw
    from safegen.schemas.explanation import Detail

TOP = 5  # latents named
ATTRIBUTION_DIGITS = 5  # decimals kept, so that float32's last bits do not decide a digest
SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSample:
    """One sample's explanation.

    Attributes:
        record: what is signed of it.
        attributions: (regions, latents + 1), float32, the label last.
    """

    record: Explanation
    attributions: NDArray[np.float32] = field(repr=False)


def explain(
    generator: Generator,
    draw: LatentDraw,
    modality: Modality,
    *,
    explainer: Explainer,
    detail: Detail,
    file: str,
) -> tuple[ExplainedSample, ...]:
    """Explain samples.

    Args:
        generator: what made them.
        draw: what they were made of.
        modality: what kind of data they are.
        explainer: the method.
        detail: whether a picture goes with each.
        file: the name of the arrays' file, in which they lie in this order.

    Returns:
        One explanation a sample.

    Raises:
        InputError: the method does not answer as `Explainer` asks.
        SafegenError: its answer, or the generator's, is not finite.
    """
    said, scores = _scored(generator, draw, modality, explainer, detail)
    grid = modality.regions().grid
    values = np.round(said.values.numpy(), ATTRIBUTION_DIGITS) + np.float32(0)  # and no -0
    strengths = np.abs(values).sum(axis=1)
    shares = strengths[:, -1] / np.maximum(strengths.sum(axis=1), 1e-12)
    strongest = np.argsort(-strengths[:, :-1], axis=1, kind="stable")[:, :TOP].tolist()
    return tuple(
        ExplainedSample(
            attributions=values[row],
            record=Explanation(
                explainer=explainer.name,
                method=said.method,
                settings=dict(said.settings),
                detail=detail,
                baseline=said.baseline.words,
                grid=grid,
                latents=generator.latent,
                label_share=round(float(shares[row]), SCORE_DIGITS),
                top_latents=tuple(strongest[row]),
                faithfulness={name: each[row] for name, each in scores.items()},
                arrays=Arrays(file=file, row=row, digest=array_digest(values[row])),
            ),
        )
        for row in range(len(draw))
    )


def _scored(
    generator: Generator,
    draw: LatentDraw,
    modality: Modality,
    explainer: Explainer,
    detail: Detail,
) -> tuple[Attribution, dict[str, list[float]]]:
    """A method's answer, and each score of it, one number a sample."""
    regions = regions_of(generator, draw, modality)
    said = explainer.explain(generator, draw, modality)
    with torch.no_grad():
        reached = regions(draw.noise, draw.places, draw.grain)
        started = regions(said.baseline.noise, said.baseline.places, draw.grain)
    _require_sound(said, (*reached.shape, generator.latent + 1), explainer.name)
    change = reached - started
    scores = {
        COMPLETENESS_GAP: completeness_gaps(said.values, change),
        EFFECT_NAME: effects(change),
    }
    if detail == "full":
        from safegen.explain.scores import full_scores

        scores |= full_scores(generator, draw, modality, explainer, said)
    scores = dict(said.faithfulness) | scores  # what a method says of itself decides none of ours
    rounded = {
        name: [round(v, SCORE_DIGITS) for v in each.tolist()] for name, each in scores.items()
    }
    return said, rounded


def _require_sound(said: Attribution, shape: tuple[int, ...], name: str) -> None:
    if tuple(said.values.shape) != shape:
        raise InputError(
            f"the explainer {name!r} answered with values of shape {tuple(said.values.shape)}, "
            f"not (samples, regions, latents + 1) = {shape}"
        )
    if any(tuple(each.shape) != shape[:1] for each in said.faithfulness.values()):
        raise InputError(f"the explainer {name!r} must give each score once a sample")
    answered: tuple[Tensor, ...] = (said.values, *said.faithfulness.values())
    if not all(each.isfinite().all() for each in answered):
        raise SafegenError(
            f"the explainer {name!r} found values that are not finite, as of a generator whose "
            "outputs are not; nothing was released"
        )
