"""A model's latents on one page: what each moves, directions, clusters, and what sanity asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.errors import InputError
from safegen.explain.directions import along, clusters, directions
from safegen.explain.explain import explain
from safegen.explain.faithfulness import doubts
from safegen.explain.registry import explainer_named
from safegen.explain.sanity import randomisation_test
from safegen.package import files
from safegen.package.latent_names import read_names
from safegen.pipeline.generate.model import open_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.explain.directions import Classifier, Cluster, Direction
    from safegen.explain.sanity import Randomised
    from safegen.pipeline.generate.model import Model
    from safegen.progress import Progress

SCORED_SAMPLES = 10  # that scores, shares and sanity are asked of
DIRECTIONS_EACH_WAY = 5  # of each way
NAMED_LATENTS = 12  # with a strip of their own, those that move samples most


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentStrip:
    """What one latent does.

    Attributes:
        number: of the latent.
        share: of all that latents change, in [0, 1].
        strip: (steps, *dimensions), float32, from the mean of the class.
    """

    number: int
    share: float
    strip: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Atlas:
    """All that the page shows.

    Attributes:
        model: its name.
        digest: its digest.
        label: the class that strips show.
        label_name: what it is called.
        names: a user's, by what is named.
        latents: those that move samples most, the strongest first.
        directions: found without labels.
        clusters: of the class.
        sanity: explanations when layers are random.
        doubts: why its explanations cannot be relied on, and of how many of `SCORED_SAMPLES`.
        has_judge: whether a classifier said what directions do.
    """

    model: str
    digest: str
    label: int
    label_name: str
    names: dict[str, str]
    latents: tuple[LatentStrip, ...]
    directions: tuple[Direction, ...]
    clusters: tuple[Cluster, ...]
    sanity: tuple[Randomised, ...]
    doubts: tuple[tuple[str, int], ...]
    has_judge: bool


def make_atlas(
    model: Model,
    progress: Progress,
    *,
    label: int = 0,
    classifier: Classifier | None = None,
    seed: int = 0,
) -> Atlas:
    """Look into a model.

    Args:
        model: the model.
        progress: told how far the work is.
        label: of the class that strips show.
        classifier: samples to logits, of one's own; by default the judge, where there is one.
        seed: of everything that is drawn.

    Raises:
        InputError: there is no such label, or the decoder's layers cannot be looked into.
    """
    opened = files.read(model.folder)
    generator = open_generator(opened).requires_grad_(requires_grad=False)
    if not 0 <= label < generator.classes:
        raise InputError(f"there is no label {label}; they go from 0 to {generator.classes - 1}")
    modality, shapley = model.modality, explainer_named("shapley")
    draw = generator.draw(torch.arange(SCORED_SAMPLES) % generator.classes, seed)
    progress("explaining", 0, 4)
    explained = explain(generator, draw, modality, explainer=shapley, detail="summary", file="none")
    progress("explaining", 1, 4)
    shares = _shares(np.stack([each.attributions for each in explained]))
    strongest = np.argsort(-shares, kind="stable")[:NAMED_LATENTS].tolist()
    factor = generator.prior.factors[label * generator.components]  # of the class's first component
    latents = tuple(
        LatentStrip(
            number=number,
            share=float(shares[number]),
            strip=along(generator, factor[:, number], label).numpy(),
        )
        for number in strongest
    )
    progress("explaining", 2, 4)
    count = min(DIRECTIONS_EACH_WAY, generator.latent)
    found = directions(generator, count=count, label=label, classifier=classifier, seed=seed)
    lying = clusters(generator, label, seed=seed)
    progress("explaining", 3, 4)
    sanity = randomisation_test(generator, draw, modality, shapley)
    progress("explaining", 4, 4)
    counted: dict[str, int] = {}
    for each in explained:
        for doubt in doubts(each.record):
            kind = doubt.partition(" by ")[0]
            counted[kind] = counted.get(kind, 0) + 1
    return Atlas(
        model=model.config.name,
        digest=model.digest,
        label=label,
        label_name=model.config.data.classes[label],
        names=read_names(model.folder, model.digest),
        latents=latents,
        directions=tuple(found),
        clusters=tuple(lying),
        sanity=tuple(sanity),
        doubts=tuple(counted.items()),
        has_judge=(classifier or generator.judge) is not None,
    )


def _shares(attributions: NDArray[np.float32]) -> NDArray[np.float64]:
    """(latents,): of all that latents changed, of attributions (n, regions, latents + 1)."""
    strengths = np.abs(attributions[..., :-1].astype(np.float64)).sum(axis=(0, 1))
    shares: NDArray[np.float64] = strengths / max(float(strengths.sum()), 1e-12)
    return shares
