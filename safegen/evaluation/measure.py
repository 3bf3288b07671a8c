"""What an evaluation measures, once package and records are open; its pictures never leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.audit.membership import components
from safegen.evaluation import fidelity, memorization
from safegen.evaluation.classifier import Labelled, Validation, fit
from safegen.evaluation.memorization import MIN_RECORDS
from safegen.evaluation.protocols import PROTOCOLS
from safegen.evaluation.utility import ClassifierComparison, compare, train_and_test
from safegen.schemas.card import PICTURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.evaluation.held_out import EvaluationData
    from safegen.evaluation.protocols import ClassifierProtocol
    from safegen.evaluation.utility import TrainedClassifiers
    from safegen.models.generator import LatentGenerator
    from safegen.progress import Progress
    from safegen.schemas.evaluation import Augment, Fidelity, Neighbours, Utility

    Points = NDArray[np.float64]

BATCH_PICTURES = 1_000  # pictures sampled at a time
MAX_BATCHES_PER_DRAW = 100_000  # of one draw, so that no two draws share a generator's seed
MAX_COMPARED_PICTURES = 10_000  # pictures of each kind in fidelity and among neighbours
CNN_FEATURES = (
    "the last feature map, pooled to 2 x 2, of the quick protocol's CNN that was trained on records"
)
ONE_CLASS_FEATURES = "principal components of the training records, for there is one class only"
OTHER_FEATURES = "principal components of the training records, for no classifier of them is here"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationContext:
    """Everything that the measurements need.

    Attributes:
        records: to compare with.
        generator: to sample from.
        classes: their names.
        protocol: how classifiers are trained.
        augment: what is done to their training pictures.
        seeds: of each repetition.
        pictures: synthetic ones to train on.
        noise: scale of the noise on validation counts, where the protocol chooses an epoch.
        device: where.
        progress: told how far the work is.
    """

    records: EvaluationData
    generator: LatentGenerator
    classes: tuple[str, ...]
    protocol: ClassifierProtocol
    augment: Augment
    seeds: tuple[int, ...]
    pictures: int
    noise: float
    device: torch.device
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """What was measured; None where a measurement would mean nothing."""

    utility: Utility | None
    fidelity: Fidelity
    neighbours: Neighbours | None


def measure(context: EvaluationContext, *, comparable: bool) -> Measurements:
    """Utility, fidelity and neighbours.

    Args:
        context: what to measure.
        comparable: whether the package was trained on the training records, and on none of the
            test; without, nothing can be said of copying.
    """
    told = len(context.classes) > 1 and context.generator.modality.name == PICTURES
    utility, first = _utility(context) if told else (None, None)
    synthetic = sampled(context, min(context.pictures, MAX_COMPARED_PICTURES), context.seeds[0])
    context.progress("comparing", 0, 2)
    apart = _fidelity(context, synthetic, first)
    context.progress("comparing", 1, 2)
    near = _neighbours(context, synthetic) if comparable else None
    context.progress("comparing", 2, 2)
    return Measurements(utility=utility, fidelity=apart, neighbours=near)


def drawn_labels(
    count: int, classes: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """(count,), int64: of which classes synthetic pictures are drawn, in equal steps of weight.

    True class counts are private: a package knows them as they were released with its latent prior.
    Where nothing was, every class weighs the same.

    >>> drawn_labels(4, 2).tolist(), drawn_labels(4, 2, np.array([0.75, 0.25])).tolist()
    ([0, 0, 1, 1], [0, 0, 0, 1])
    """
    shares = np.full(classes, 1 / classes) if weights is None else weights
    middles = (np.arange(count) + 0.5) / count
    places = np.searchsorted(np.cumsum(shares), middles)
    return np.minimum(places, classes - 1).astype(np.int64)


def sampled(context: EvaluationContext, count: int, seed: int) -> Labelled:
    """Synthetic pictures, for measuring alone."""
    weights = context.generator.prior.weights.double().cpu().numpy()
    drawn = drawn_labels(count, len(context.classes), weights)
    labels = np.random.default_rng(seed).permutation(drawn)
    parts = []
    for place, start in enumerate(range(0, count, BATCH_PICTURES)):
        wanted = torch.from_numpy(labels[start : start + BATCH_PICTURES])
        made = context.generator.sample(wanted, seed * MAX_BATCHES_PER_DRAW + place)
        parts.append(context.generator.modality.to_stored(made.cpu().numpy()))
        context.progress("sampling", min(start + BATCH_PICTURES, count), count)
    return Labelled(pictures=np.concatenate(parts), labels=labels)


def _utility(context: EvaluationContext) -> tuple[Utility, TrainedClassifiers]:
    training, validation = _without_validation(context)
    comparison = ClassifierComparison(
        protocol=context.protocol,
        augment=context.augment,
        seeds=context.seeds,
        classes=context.classes,
        test=context.records.test,
        validation=validation,
        device=context.device,
    )
    real = train_and_test(
        comparison,
        lambda seed: _some(training, context.protocol.pictures, seed),
        stage="on records",
        progress=context.progress,
    )
    synthetic = train_and_test(
        comparison,
        lambda seed: sampled(context, context.pictures, seed),
        stage="on samples",
        progress=context.progress,
    )
    return compare(comparison, synthetic, real), real


def _without_validation(context: EvaluationContext) -> tuple[Labelled, Validation | None]:
    """Training records, and those by which the protocol chooses an epoch."""
    training = context.records.training
    if not context.protocol.validation:
        return training, None
    count = min(context.protocol.validation, len(training) // 12)  # a twelfth: 5,000 of 60,000
    order = np.random.default_rng(context.seeds[0]).permutation(len(training))
    kept = Validation(records=training.rows(order[:count]), noise=context.noise)
    return training.rows(order[count:]), kept


def _fidelity(
    context: EvaluationContext, synthetic: Labelled, real: TrainedClassifiers | None
) -> Fidelity:
    training, test = context.records.training, context.records.test
    count = min(len(synthetic), len(training), len(test), MAX_COMPARED_PICTURES)
    parts = [_some(each, count, context.seeds[0]).pictures for each in (synthetic, test, training)]
    if real is None:
        # The records' axes: in its own, a collapsed generator would hide how little it shows.
        axes = components(*reversed(parts), seed=context.seeds[0])
        points: list[Points] = [each.astype(np.float64) for each in reversed(axes)]
        space = ONE_CLASS_FEATURES if len(context.classes) == 1 else OTHER_FEATURES
        return fidelity.compare(*points, space=space)
    known, quick = real.first, PROTOCOLS["quick"]
    if (
        context.protocol.networks[0] not in quick.networks
    ):  # features are the CNN's in all protocols
        known = fit(
            _some(training, quick.pictures, context.seeds[0]),
            len(context.classes),
            "cnn",
            quick,
            augment=context.augment,
            seed=context.seeds[0],
            device=context.device,
        )
    return fidelity.compare(*(known.features(each) for each in parts), space=CNN_FEATURES)


def _neighbours(context: EvaluationContext, synthetic: Labelled) -> Neighbours | None:
    training, test = context.records.training, context.records.test
    count = min(len(test), len(training) // 2, MAX_COMPARED_PICTURES)
    if count < MIN_RECORDS:
        return None
    order = np.random.default_rng(context.seeds[0]).permutation(len(training))
    inside, others = order[:count], order[count : count + MAX_COMPARED_PICTURES]
    return memorization.nearest_records(
        synthetic.pictures,
        training.pictures[inside],
        _some(test, count, context.seeds[0]).pictures,
        training.pictures[others],
        seed=context.seeds[0],
    )


def _some(data: Labelled, count: int, seed: int) -> Labelled:
    """At most so many, chosen at random."""
    return data.rows(np.random.default_rng(seed).permutation(len(data))[:count])
