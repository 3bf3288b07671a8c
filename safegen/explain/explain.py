"""Samples to explanations: any method's answer, looked at and scored like every other's.

1. Let the method attribute a few samples at a time.
2. Refuse an answer that is of another shape, or not finite.
3. Score it: do the attributions add up to what they explain?
4. Write one record a sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from safegen.errors import InputError, SafegenError
from safegen.explain.explainer import regions_of
from safegen.explain.faithfulness import COMPLETENESS_GAP, completeness_gaps
from safegen.schemas.explanation import Explanation, RegionSummary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from safegen.explain.explainer import Attribution, Explainer
    from safegen.modality.base import Modality
    from safegen.models.generator import Draw, Generator
    from safegen.progress import Progress
    from safegen.schemas.explanation import Grid

TOP = 3  # latents named for a region
DIGITS = 6  # decimals kept of an attribution: float32 holds no more


def explain(
    generator: Generator,
    draw: Draw,
    modality: Modality,
    *,
    explainer: Explainer,
    progress: Progress,
) -> tuple[Explanation, ...]:
    """Explain samples.

    Args:
        generator: what made them.
        draw: what they were made of.
        modality: what kind of data they are.
        explainer: the method.
        progress: told after each few samples.

    Returns:
        One explanation a sample.

    Raises:
        InputError: the method does not answer as `Explainer` asks.
        SafegenError: its answer, or the generator's, is not finite.
    """
    explained: list[Explanation] = []
    for part in draw.parts():
        explained += _explained(generator, part, modality, explainer)
        progress("explaining", len(explained), len(draw))
    return tuple(explained)


def _explained(
    generator: Generator, draw: Draw, modality: Modality, explainer: Explainer
) -> Iterator[Explanation]:
    regions = regions_of(generator, draw, modality)
    grid = modality.regions().grid
    said = explainer.explain(generator, draw, modality)
    with torch.no_grad():
        reached = regions(draw.noise, draw.places, draw.grain)
        started = regions(said.baseline.noise, said.baseline.places, draw.grain)
    _require_sound(said, (*reached.shape, generator.latent + generator.classes), explainer.name)
    scores = {COMPLETENESS_GAP: completeness_gaps(said.values, reached - started)}
    scores |= said.faithfulness
    for row in range(len(draw)):
        own = {name: _rounded(values[row]) for name, values in scores.items()}
        yield _record(explainer.name, said, row, reached[row], own, grid, generator.latent)


def _require_sound(said: Attribution, shape: tuple[int, ...], name: str) -> None:
    if tuple(said.values.shape) != shape:
        raise InputError(
            f"the explainer {name!r} answered with values of shape {tuple(said.values.shape)}, "
            f"not (samples, regions, latents + classes) = {shape}"
        )
    if any(tuple(each.shape) != shape[:1] for each in said.faithfulness.values()):
        raise InputError(f"the explainer {name!r} must give each score once a sample")
    if not all(each.isfinite().all() for each in (said.values, *said.faithfulness.values())):
        raise SafegenError(
            f"the explainer {name!r} found values that are not finite, as of a generator whose "
            "outputs are not; nothing was released"
        )


def _record(
    name: str,
    said: Attribution,
    row: int,
    brightness: Tensor,
    scores: dict[str, float],
    grid: Grid,
    latents: int,
) -> Explanation:
    """One sample's explanation from its (regions, latents + classes) attributions."""
    attributions = said.values[row]
    sizes = attributions.abs()
    label_share = sizes[:, latents:].sum(dim=1) / sizes.sum(dim=1).clamp(min=1e-12)
    strongest = sizes[:, :latents].topk(min(TOP, latents), dim=1).indices
    return Explanation(
        explainer=name,
        method=said.method,
        settings=dict(said.settings),
        baseline=said.baseline.words,
        grid=grid,
        regions=tuple(
            RegionSummary(
                row=region // grid.columns,
                column=region % grid.columns,
                brightness=_rounded(brightness[region]),
                label_share=_rounded(label_share[region]),
                top_latents=tuple(strongest[region].tolist()),
            )
            for region in range(len(attributions))
        ),
        attributions=tuple(tuple(round(v, DIGITS) for v in r) for r in attributions.tolist()),
        latents=latents,
        faithfulness=scores,
    )


def _rounded(value: Tensor) -> float:
    return round(float(value), DIGITS)
