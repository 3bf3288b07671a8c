"""Membership inference on a finished generator, from nothing but what it generated.

The attack asks of a record whether the generator comes nearer to it than to others like it:

1. Pictures become their principal components, fitted on the generated ones.
2. Half of the held-out records become the reference, and are never asked about. The other half
   and the members are asked about.
3. Within each class, a record's difficulty is its log distance to the nearest reference records.
   How near the generator comes to a record of that difficulty that it never saw is fitted on the
   reference; what it comes nearer than this, on the same scale, is the record's score. An easy
   picture is near to everything, and gains nothing by it. The median of the class is taken off,
   so that a class with few records or many generated pictures does not look like membership.
4. AUC and TPR at a low FPR come from all records; the lower bound on epsilon takes its threshold
   from one half of them and its rates from the other.

With a slope of 1 this is DOMIAS' ratio of densities (van Breugel et al. 2023) by nearest
neighbours; the difficulty is that of Watson et al. 2022. Distance alone misses leakage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from safegen.audit.statistics import Interval, epsilon_from_rates, roc_auc, tpr_at_fpr
from safegen.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pictures = NDArray[np.uint8]
    Labels = NDArray[np.int64]
    Points = NDArray[np.float32]
    Scores = NDArray[np.float64]

ATTACK = "distance to generated pictures of the class, calibrated on held-out records"
MIN_RECORDS = 20  # of each kind; fewer prove nothing
PCA_COMPONENTS = 40
NEIGHBOUR_RANKS = (1, 2)  # generated ones; averaged over both
REFERENCE_RECORDS = 4  # nearest ones that make a difficulty: more are steadier, fewer more local
MIN_SLOPE_RECORDS = 3  # reference records of a class to fit a slope on; with fewer it is 1
GREY_LEVEL = 1.0  # added to distances: two pictures this close are copies, and no log is infinite
THRESHOLD_QUANTILES = 101  # of members and of others, between which thresholds are tried


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipInference:
    """How well an attacker who sees only generated pictures tells members from others.

    Attributes:
        attack: what was done, in words.
        members: training records asked about.
        others: held-out records asked about; the reference is not among them.
        auc: how often a member scores above another record; 0.5 is chance.
        tpr: share of members found at `fpr`.
        fpr: share of others that may be accused for it; at least one of them.
        lower_bound: on epsilon; 0 says nothing.
        confidence: of the intervals and of the bound, each by itself.
        member_scores: (members,), float64, high for what looks like a member.
        other_scores: (others,), float64.
    """

    attack: str
    members: int
    others: int
    auc: Interval
    tpr: Interval
    fpr: float
    lower_bound: float
    confidence: float
    member_scores: Scores = field(repr=False, compare=False)
    other_scores: Scores = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures with their labels.

    Attributes:
        pictures: (n, channels, height, width), uint8.
        labels: (n,), int64.
    """

    pictures: Pictures
    labels: Labels


def membership_inference(
    samples: Labelled,
    members: Labelled,
    others: Labelled,
    *,
    delta: float,
    confidence: float = 0.95,
    fpr: float = 0.001,
    seed: int = 0,
) -> MembershipInference:
    """Attack a generator through its pictures.

    Members and others must come from one population, with classes in like proportions, or the
    attack finds what sets them apart instead of membership. The bound counts records of one
    model as independent trials, as is usual; only canaries with coins (`one_run`) need no
    such assumption.

    Args:
        samples: generated ones, with every class of members and others; more find more.
        members: 20 or more that were trained on.
        others: 20 or more that were not, with every class of the members.
        delta: of the bound on epsilon, in [0, 1).
        confidence: in (0, 1).
        fpr: in [0, 1).
        seed: decides which records become the reference and which choose the threshold.

    Raises:
        DataError: pictures are missing, too few, or do not match each other.
    """
    _check(samples, "generated pictures")
    _check(members, "members")
    _check(others, "held-out records")
    if len({each.pictures.shape[1:] for each in (samples, members, others)}) > 1:
        raise DataError("generated and real pictures differ in shape; give all in one shape")
    real = np.union1d(members.labels, others.labels)
    _check_classes(samples.labels, real, "generated pictures")
    _check_classes(others.labels, np.unique(members.labels), "held-out records")

    # 1. principal components of the generated pictures
    pictures = (each.pictures for each in (samples, members, others))
    generated, asked_members, held_out = components(*pictures, seed=seed)
    # 2. the reference
    generator = np.random.default_rng(seed)
    reference = _half_of_each_class(others.labels, generator)
    worlds = (generated, samples.labels), (held_out[reference], others.labels[reference])
    # 3. scores
    scores = _scores(
        np.concatenate([asked_members, held_out[~reference]]),
        np.concatenate([members.labels, others.labels[~reference]]),
        *worlds,
    )
    member_scores, other_scores = np.split(scores, [len(members.labels)])
    # 4. what they prove; a rate below one record in all does not exist
    fpr = max(fpr, 1 / len(other_scores))
    return MembershipInference(
        attack=ATTACK,
        members=len(member_scores),
        others=len(other_scores),
        auc=roc_auc(member_scores, other_scores, confidence=confidence),
        tpr=tpr_at_fpr(member_scores, other_scores, fpr, confidence=confidence),
        fpr=fpr,
        lower_bound=_lower_bound(member_scores, other_scores, delta, confidence, generator),
        confidence=confidence,
        member_scores=member_scores,
        other_scores=other_scores,
    )


def _check(given: Labelled, name: str) -> None:
    pictures, labels = given.pictures, given.labels
    if pictures.ndim != 4 or pictures.dtype != np.uint8:
        raise DataError(
            f"{name} have shape {pictures.shape} and type {pictures.dtype}; "
            "give uint8 of shape (n, channels, height, width)"
        )
    if labels.shape != (len(pictures),):
        raise DataError(f"{len(pictures)} {name} have {labels.size} labels; give one for each")
    if len(pictures) < MIN_RECORDS:
        raise DataError(
            f"{len(pictures)} {name} are too few for an attack; give {MIN_RECORDS} or more"
        )


def _check_classes(labels: Labels, wanted: Labels, name: str) -> None:
    missing = np.setdiff1d(wanted, labels)
    if missing.size:
        raise DataError(f"no {name} of class {missing[0]}; give some of every class")


def components(*pictures: Pictures, seed: int) -> list[Points]:
    """(n, components), float32, of each array of pictures; the first fits the axes.

    Args:
        pictures: (n, channels, height, width), uint8, each array in the same shape.
        seed: of the decomposition.
    """
    from sklearn.decomposition import PCA

    def flat(some: Pictures) -> Points:
        return some.reshape(len(some), -1).astype(np.float32)

    fitting = flat(pictures[0])
    pca = PCA(n_components=min(PCA_COMPONENTS, *fitting.shape), random_state=seed)
    with np.errstate(invalid="ignore"):  # a generator may have collapsed to one picture
        pca.fit(fitting)
    return [pca.transform(flat(some)) for some in pictures]


def _half_of_each_class(labels: Labels, generator: np.random.Generator) -> NDArray[np.bool_]:
    """(n,), bool: a random half of every class, the larger one where it is odd."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        shuffled = generator.permutation(np.flatnonzero(labels == label))
        chosen[shuffled[: (len(shuffled) + 1) // 2]] = True
    return chosen


def _scores(
    records: Points,
    labels: Labels,
    generated: tuple[Points, Labels],
    reference: tuple[Points, Labels],
) -> Scores:
    """(n,), float64, high for what looks like a member, with median 0 in every class."""
    scores = np.empty(len(records))
    for label in np.unique(labels):
        asked, samples, known = (
            points[of == label] for points, of in ((records, labels), generated, reference)
        )
        slope = _slope(samples, known)
        of_class = slope * _difficulty(asked, known) - _distance(asked, samples)
        scores[labels == label] = of_class - np.median(of_class)
    return scores


def _slope(samples: Points, reference: Points) -> float:
    """How log distance to the samples grows with difficulty, where nothing was trained on."""
    if len(reference) < MIN_SLOPE_RECORDS:
        return 1.0
    x, y = _difficulty(None, reference), _distance(reference, samples)
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / max(x @ x, np.finfo(float).tiny), 0, 1))


def _difficulty(records: Points | None, reference: Points) -> Scores:
    """(n,), float64; without records that of the reference itself, each against the rest."""
    most = min(REFERENCE_RECORDS, len(reference) - (records is None))
    return _log(_nearest(records, reference, most))


def _distance(records: Points, samples: Points) -> Scores:
    """(n,), float64: log of the mean distance to k samples, averaged over a few k."""
    nearest = _nearest(records, samples, min(max(NEIGHBOUR_RANKS), len(samples)))
    return np.asarray(np.mean([_log(nearest[:, :k]) for k in NEIGHBOUR_RANKS], axis=0))


def _log(distances: Scores) -> Scores:
    """(n,), float64: the log of each row's mean."""
    return np.asarray(np.log(GREY_LEVEL + distances.mean(axis=1)))


def _nearest(records: Points | None, points: Points, count: int) -> Scores:
    """(n, count), distances in rising order; without records from each point to the others."""
    from sklearn.neighbors import NearestNeighbors

    distances: Scores = NearestNeighbors(n_neighbors=count).fit(points).kneighbors(records)[0]
    return distances.astype(float)


def _lower_bound(
    member_scores: Scores,
    other_scores: Scores,
    delta: float,
    confidence: float,
    generator: np.random.Generator,
) -> float:
    """The bound at the threshold that serves best on records that the bound does not count."""
    members, others = generator.permutation(member_scores), generator.permutation(other_scores)
    halves = [(members[start::2], others[start::2]) for start in (0, 1)]

    def bound(half: tuple[Scores, Scores], threshold: float) -> float:
        (found, of_members), (accused, of_others) = (
            (int((scores > threshold).sum()), len(scores)) for scores in half
        )
        return epsilon_from_rates(
            found, of_members, accused, of_others, delta, confidence=confidence
        )

    steps = np.linspace(0, 1, THRESHOLD_QUANTILES)
    marks = np.unique(np.concatenate([np.quantile(scores, steps) for scores in halves[0]]))
    between = (marks[:-1] + marks[1:]) / 2  # in the gap where there is one, not at its edge
    best = max(between, key=lambda threshold: bound(halves[0], threshold), default=0.0)
    return bound(halves[1], best)
