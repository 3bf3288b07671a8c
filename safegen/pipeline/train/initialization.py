"""Where a run starts from: networks that learnt from pictures which are no records.

1. Before the plan: pictures drawn by code, or a public data set, give first weights, and tell
how long gradients are. Nothing private is looked at.
2. After the grant: pictures drawn from one-shot releases (`releases.warmstart`), if the plan has
them, give better ones. They cost what the releases cost, and nothing more.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import torch

from safegen.errors import DataError, PlanError
from safegen.modality.registry import modality_of
from safegen.models.vae import ConditionalVAE
from safegen.pipeline.train.networks import first_weights
from safegen.training.objectives.objective import Start
from safegen.training.pretraining import loss_scale, pretrain
from safegen.training.pretraining_sources import PRIORS, draw_prior
from safegen.training.releases.warmstart import warm_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from safegen.data.dataset import DataSet
    from safegen.pipeline.train.sealing import TrainingData
    from safegen.privacy.accounting.budget import Budget
    from safegen.privacy.mechanism.releases import Releases
    from safegen.progress import Progress
    from safegen.schemas.config import Architecture, Recipe
    from safegen.training.checkpoint import RunFacts

REFERENCE_PICTURES = 2048  # pictures that stay at hand, to tell where codes are expected
WARM_EPOCHS = 2  # over pictures drawn from releases
PICTURES_SEED = 1  # of the prior's pictures; no secret


def from_prior(
    recipe: Recipe,
    architecture: Architecture,
    public: DataSet | None,
    *,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> tuple[Recipe, Start | None]:
    """Learn first weights from the recipe's prior.

    Args:
        recipe: names the prior.
        architecture: of the networks.
        public: the data set that is the prior; None when it is drawn by code.
        seed: of the weights before that.
        device: where to learn.
        progress: told after each step.

    Returns:
        The recipe with the loss scale that the pictures told, and the start; the recipe as it
        was and None without a prior.

    Raises:
        PlanError: there is no such prior, or nothing can be learnt from it.
    """
    if recipe.prior is None:
        return recipe, None
    pictures = _pictures(recipe, architecture, public)
    with first_weights(seed, device):
        network = ConditionalVAE(architecture).to(device)
    pretrain(
        network,
        pictures,
        architecture=architecture,
        beta=recipe.beta,
        epochs=recipe.prior_epochs,
        seed=seed,
        progress=progress,
        stage="learning from the prior",
    )
    if architecture.family == "vae":
        scale = loss_scale(
            network,
            pictures,
            architecture=architecture,
            beta=recipe.beta,
        )
        if not (math.isfinite(scale) and scale > 0):
            raise PlanError(
                f"nothing can be learnt from the prior {recipe.prior}: gradients of its pictures "
                f"have a median norm of {scale:g}; choose another"
            )
        recipe = recipe.model_copy(update={"loss_scale": scale})
    return recipe, Start(weights=_weights(network), reference=pictures[:REFERENCE_PICTURES])


def _pictures(recipe: Recipe, architecture: Architecture, public: DataSet | None) -> Tensor:
    if public is not None:
        order = torch.randperm(len(public), generator=torch.Generator().manual_seed(PICTURES_SEED))
        return torch.from_numpy(public.images)[order[: recipe.prior_pictures]]
    kind = architecture.shape.kind
    fit = [name for name, prior in PRIORS.items() if prior.kind == kind]
    if recipe.prior not in fit:
        raise PlanError(
            f"no prior {recipe.prior!r} of {kind} data; choose {', '.join((*fit, 'none'))}, or a "
            "public data set"
        )
    dimensions = modality_of(architecture.shape).dimensions
    return draw_prior(recipe.prior, recipe.prior_pictures, dimensions, PICTURES_SEED)


def require_public(public: DataSet, data: TrainingData, budget: Budget) -> None:
    """A prior's data set must be another one, of the same shape, and public.

    Whoever names a folder as a prior says that it is public. Where a private run has learnt from
    the same records, the budget remembers that they are not.

    Raises:
        DataError: it is not.
    """
    if public.card.digest == data.card.digest:
        raise DataError(
            f"{public.card.name} cannot be the prior of a run on itself; choose other pictures"
        )
    if budget.private(public.card.digest):
        raise DataError(
            f"{public.card.name} cannot be a prior: private runs have trained on it, so it is not "
            "public; choose other pictures"
        )
    if public.card.shape != data.card.shape:
        shape, wanted = modality_of(public.card.shape), modality_of(data.card.shape)
        raise DataError(
            f"the prior {public.card.name} has {shape.in_words()}, and the records are "
            f"{wanted.in_words()}; give both one shape, as pictures with one --size"
        )


def from_releases(
    facts: RunFacts,
    data: TrainingData,
    start: Start | None,
    releases: Releases,
    *,
    device: torch.device,
    progress: Progress,
    pictures: int | None = None,
) -> Start | None:
    """Learn on from what the plan releases for that; the start as it was when it releases nothing.

    Args:
        facts: of the run, whose grant is taken.
        data: the records.
        start: from the prior; None for none.
        releases: makes what is planned.
        device: where to learn.
        progress: told after each step.
        pictures: to draw from the warm start; as many as usual when None.
    """
    made, recipe = facts.architecture, facts.recipe
    warm = warm_pictures(data.records, made.classes, releases, count=pictures)
    if warm is None:
        return start
    with first_weights(facts.seed, device):
        network = ConditionalVAE(made).to(device)
    shown = warm
    if start is not None:
        network.load_state_dict(start.weights)
        shown = torch.cat([warm, start.reference]) if start.reference is not None else warm
    pretrain(
        network,
        shown,
        architecture=made,
        beta=recipe.beta,
        epochs=WARM_EPOCHS,
        seed=facts.seed,
        progress=progress,
        stage="learning from the warm start",
    )
    kept = warm[:REFERENCE_PICTURES]
    return dataclasses.replace(
        start or Start(weights={}), weights=_weights(network), reference=kept
    )


def _weights(network: ConditionalVAE) -> dict[str, Tensor]:
    """On the CPU, from where other processes and checkpoints take them."""
    return {name: tensor.cpu() for name, tensor in network.state_dict().items()}


def start_tensors(start: Start | None) -> dict[str, Tensor]:
    """A start as a checkpoint holds it; an empty one for none."""
    if start is None:
        return {}
    held = {f"start/{name}": tensor for name, tensor in start.weights.items()}
    return held if start.reference is None else {**held, "reference": start.reference}


def start_in(tensors: Mapping[str, Tensor]) -> Start | None:
    """What `start_tensors` gave."""
    weights = {
        name.removeprefix("start/"): tensor
        for name, tensor in tensors.items()
        if name.startswith("start/")
    }
    return Start(weights=weights, reference=tensors.get("reference")) if weights else None


def assumptions(recipe: Recipe) -> tuple[str, ...]:
    """What a certificate must name as public for a run's start, in words."""
    if recipe.prior is None:
        return ()
    what = f"the data set {recipe.prior}"
    if recipe.prior in PRIORS:
        drawn = (
            f"{PRIORS[recipe.prior].words}, drawn by code and chosen without looking at the records"
        )
        what = f"{recipe.prior}: {drawn}"
    return (f"the prior, from which first weights were learnt: {what}",)
