"""Train on synthetic, test on real (Esteban et al. 2017), beside train on real, test on real.

Both sides are trained alike, on as many pictures, and tested on the same records. For every seed,
synthetic pictures are drawn anew and so are the records, so that the spread is of the whole
measurement.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safegen.evaluation.calibration import calibration_by_class, calibration_error, reliability
from safegen.evaluation.classifier import Classifier, Labelled, Validation, fit
from safegen.progress import Progress, silent
from safegen.schemas.evaluation import ClassFigures, Side, Spread, Utility

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from numpy.typing import NDArray

    from safegen.evaluation.protocols import ClassifierProtocol
    from safegen.schemas.evaluation import Augment

    Drawn = Callable[[int], Labelled]

REPORT_EVERY_STEPS = 10  # steps between two reports of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierComparison:
    """What both sides have in common.

    Attributes:
        protocol: how classifiers are trained.
        augment: what is done to their training pictures.
        seeds: of each repetition.
        classes: their names.
        test: records that no classifier is trained on.
        validation: by which an epoch is chosen; None takes the last.
        device: where.
    """

    protocol: ClassifierProtocol
    augment: Augment
    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    test: Labelled
    validation: Validation | None
    device: torch.device


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedClassifiers:
    """Classifiers of one side, tested.

    Attributes:
        trained_on: pictures of each.
        probabilities: (records, classes), float64, of each run.
        first: the classifier of the first run.
    """

    trained_on: int
    probabilities: tuple[NDArray[np.float64], ...]
    first: Classifier


def train_and_test(
    comparison: ClassifierComparison,
    drawn: Drawn,
    *,
    stage: str = "training",
    progress: Progress = silent,
) -> TrainedClassifiers:
    """Train every network with every seed, and test it.

    Args:
        comparison: how, and on what.
        drawn: training pictures for a seed; as many for each.
        stage: what the progress is called.
        progress: told how far the work is.
    """
    networks = comparison.protocol.networks
    found, first, count = [], None, 0
    for turn, seed in enumerate(comparison.seeds):
        data = drawn(seed)
        count = len(data)
        for place, network in enumerate(networks):
            run, runs = turn * len(networks) + place, len(comparison.seeds) * len(networks)
            made = fit(
                data,
                len(comparison.classes),
                network,
                comparison.protocol,
                augment=comparison.augment,
                seed=seed,
                device=comparison.device,
                validation=comparison.validation,
                told=_part(stage, run, runs, progress),
            )
            first = first or made
            found.append(made.probabilities(comparison.test.pictures))
    assert first is not None
    return TrainedClassifiers(trained_on=count, probabilities=tuple(found), first=first)


def _part(stage: str, run: int, runs: int, progress: Progress) -> Callable[[int, int], None]:
    def told(done: int, total: int) -> None:
        if done % REPORT_EVERY_STEPS == 0 or done == total:
            progress(stage, run * total + done, runs * total)

    return told


def compare(
    comparison: ClassifierComparison, synthetic: TrainedClassifiers, real: TrainedClassifiers
) -> Utility:
    """What both sides reached, beside each other."""
    sides = [_side(each.probabilities, comparison.test.labels) for each in (synthetic, real)]
    confusion = _confusion(synthetic.probabilities, comparison.test.labels)
    return Utility(
        pictures=synthetic.trained_on,
        records=real.trained_on,
        tested=len(comparison.test),
        synthetic=sides[0],
        real=sides[1],
        share_of_ceiling=sides[0].accuracy.mean / max(sides[1].accuracy.mean, 1e-12),
        by_class=_by_class(comparison, synthetic, real),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _side(runs: Sequence[NDArray[np.float64]], labels: NDArray[np.int64]) -> Side:
    return Side(
        accuracy=spread([float((each.argmax(1) == labels).mean()) for each in runs]),
        balanced=spread([float(np.nanmean(_recalls(each, labels))) for each in runs]),
        calibration=spread([calibration_error(each, labels) for each in runs]),
        reliability=reliability(np.concatenate(runs), np.tile(labels, len(runs))),
    )


def spread(runs: Sequence[float]) -> Spread:
    """A mean, and how far single runs are from it.

    >>> spread([0.5, 1.0]).mean, spread([0.5]).deviation
    (0.75, 0.0)
    """
    deviation = statistics.stdev(runs) if len(runs) > 1 else 0.0
    return Spread(mean=statistics.fmean(runs), deviation=deviation, runs=tuple(runs))


def _by_class(
    comparison: ClassifierComparison, synthetic: TrainedClassifiers, real: TrainedClassifiers
) -> tuple[ClassFigures, ...]:
    labels = comparison.test.labels
    recalls, errors = [], []
    for side in (synthetic, real):
        recalls.append(np.mean([_recalls(each, labels) for each in side.probabilities], axis=0))
        errors.append(
            np.mean([calibration_by_class(each, labels) for each in side.probabilities], axis=0)
        )
    tested = np.bincount(labels, minlength=len(comparison.classes))
    return tuple(
        ClassFigures(
            name=name,
            tested=int(tested[place]),
            recall_synthetic=float(recalls[0][place]) if tested[place] else None,
            recall_real=float(recalls[1][place]) if tested[place] else None,
            calibration_synthetic=float(errors[0][place]),
            calibration_real=float(errors[1][place]),
        )
        for place, name in enumerate(comparison.classes)
    )


def _recalls(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(classes,), float64: share of each class's records that is named rightly; NaN of none."""
    classes = probabilities.shape[1]
    right = np.bincount(labels[probabilities.argmax(1) == labels], minlength=classes)
    there = np.bincount(labels, minlength=classes)
    recalls: NDArray[np.float64] = np.full(classes, np.nan)
    np.divide(right, there, out=recalls, where=there > 0)
    return recalls


def _confusion(
    runs: Sequence[NDArray[np.float64]], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(classes, classes), float64: share of each true class that is named as each."""
    classes = runs[0].shape[1]
    counts: NDArray[np.float64] = np.zeros((classes, classes))
    for each in runs:
        np.add.at(counts, (labels, each.argmax(1)), 1)
    counts /= np.maximum(counts.sum(1, keepdims=True), 1)
    return counts
