"""The attacks of an audit, carried out and put into words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from safegen.audit.canaries import CONFIDENCE
from safegen.audit.membership import Labelled, MembershipInference, membership_inference
from safegen.schemas.audit import Attack, Membership, Rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.audit.one_run import OneRunBound
    from safegen.audit.statistics import Interval
    from safegen.data.dataset import DataSet
    from safegen.modality.base import Modality
    from safegen.models.generator import LatentGenerator
    from safegen.progress import Progress
    from safegen.schemas.certificate import PrivacyCertificate

GENERATED_SAMPLES = 20_000
MAX_RECORDS = 5_000  # members and held-out records looked at, at most
SAMPLES_PER_BATCH = 1_000


def in_run(certificate: PrivacyCertificate) -> tuple[Attack, ...]:
    """What the run's own canaries proved; none when it had none."""
    bound = certificate.lower_bound
    if bound is None:
        return ()
    return (
        Attack(
            name="canaries in the run",
            sees="the noisy gradients of all steps",
            lower_bound=bound.epsilon,
            confidence=bound.confidence,
            evidence=f"{bound.correct} of {bound.guesses} guesses about {bound.canaries} canaries "
            "were right",
        ),
    )


def on_samples(bound: OneRunBound) -> Attack:
    """What finished samples tell about canary pictures."""
    return Attack(
        name="canary pictures",
        sees="finished samples alone",
        lower_bound=bound.lower_bound,
        confidence=bound.confidence,
        evidence=f"{bound.correct} of {bound.guesses} guesses about {bound.canaries} made-up "
        "records were right",
    )


def by_membership(found: MembershipInference) -> Attack:
    """What finished samples tell about records."""
    return Attack(
        name="membership inference",
        sees="finished samples alone",
        lower_bound=found.lower_bound,
        confidence=found.confidence,
        evidence=f"{found.members:,} members and {found.others:,} held-out records: AUC "
        f"{found.auc.value:.3f}",
    )


def membership_record(found: MembershipInference) -> Membership:
    """Rates of membership inference, as a report states them."""
    return Membership(
        auc=_rate(found.auc),
        tpr=_rate(found.tpr),
        fpr=found.fpr,
        confidence=found.confidence,
        members=found.members,
        others=found.others,
    )


def _rate(interval: Interval) -> Rate:
    return Rate(value=interval.value, low=interval.low, high=interval.high)


def infer_membership(
    made: LatentGenerator,
    members: DataSet,
    others: DataSet,
    delta: float,
    seed: int,
    progress: Progress,
) -> MembershipInference:
    """Attack a generator through its samples, with some of the members and of the others."""
    samples, labels = draw_samples(made, seed, progress)
    generator = np.random.default_rng(seed)
    inside, outside = (_some(each, generator) for each in (members, others))
    progress("attacking", 0, 1)
    found = membership_inference(
        Labelled(_levels(samples, made.modality), labels),
        Labelled(_levels(members.images[inside], made.modality), members.labels[inside]),
        Labelled(_levels(others.images[outside], made.modality), others.labels[outside]),
        delta=delta,
        confidence=CONFIDENCE,
        seed=seed,
    )
    progress("attacking", 1, 1)
    return found


def draw_samples(
    made: LatentGenerator, seed: int, progress: Progress
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """As many samples of each class; they never leave the audit."""
    labels = np.arange(GENERATED_SAMPLES) % made.classes
    parts = []
    for place, start in enumerate(range(0, GENERATED_SAMPLES, SAMPLES_PER_BATCH)):
        wanted = torch.from_numpy(labels[start : start + SAMPLES_PER_BATCH])
        parts.append(made.modality.to_stored(made.sample(wanted, seed + place).numpy()))
        progress("sampling", min(start + SAMPLES_PER_BATCH, GENERATED_SAMPLES), GENERATED_SAMPLES)
    return np.concatenate(parts), labels


def _levels(stored: NDArray[Any], modality: Modality) -> NDArray[np.uint8]:
    """Samples in 256 levels of what training sees, (n, channels, height, width): as pictures."""
    if stored.dtype == np.uint8 and stored.ndim == 4:
        return stored
    seen = modality.to_float(stored.astype(np.float64))
    return np.rint(seen * 255).astype(np.uint8).reshape(len(stored), 1, 1, -1)


def _some(data: DataSet, generator: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(generator.permutation(len(data))[:MAX_RECORDS])
