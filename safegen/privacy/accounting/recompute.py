"""A certificate's epsilon, computed again from its events; never taken on trust.

Recomputing costs over a second, so each answer is kept in the user's cache by the digest of what
it was computed from.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from safegen import storage
from safegen.errors import StorageError
from safegen.privacy.accounting import adaptive
from safegen.privacy.accounting import events as accounting
from safegen.schemas.canonical import Record, digest
from safegen.schemas.certificate import Event

if TYPE_CHECKING:
    from safegen.schemas.certificate import PrivacyCertificate

EPSILON_TOLERANCE = 1e-6
MAX_ROUGH_LOSS = 1e4  # in the same sense, told without any accountant; see `_rough_loss`
LONG_RUN_STEPS, MAX_LONG_RUN_LOSS = 1_000_000, 200.0  # steps; and twice the epsilon below
MAX_EPSILON = 100.0  # an epsilon above this protects nobody, and can take very long to compute


class _Question(Record):
    """Everything that the answer depends on."""

    accountant: str
    delta: float
    events: tuple[Event, ...]


def recomputed_epsilon(certificate: PrivacyCertificate) -> float:
    """Epsilon at the certificate's delta, from its events alone; infinite when senseless."""
    question = _Question(
        accountant=accounting.accountant_name(), delta=certificate.delta, events=certificate.events
    )
    kept = _cache_folder() / f"{digest(question).removeprefix('sha256:')}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads(kept.read_bytes())["epsilon"])
    if _senseless(certificate.events, certificate.delta):
        return math.inf
    epsilon = accounting.epsilon_of(certificate.events, certificate.delta)
    with contextlib.suppress(StorageError):  # a cache that cannot be written costs only time
        storage.write(kept, json.dumps({"epsilon": epsilon}).encode())
    return epsilon


def epsilon_toward_a_total(certificate: PrivacyCertificate) -> float:
    """What the run counts as the first of several that are chosen one after another."""
    events, delta = certificate.events, certificate.delta
    if _senseless(events, delta):
        return math.inf
    return adaptive.epsilon_of_mu(adaptive.mu_of(events, adaptive.slack_of(1, delta)), delta)


def _senseless(events: tuple[Event, ...], delta: float) -> bool:
    """Whether epsilon is above `MAX_EPSILON`, told before a long computation.

    Renyi's divergence of order 2 is at most the loss, so that epsilon is at most the loss and
    ln(1/delta) (Mironov 2017, proposition 3): then nothing rough is computed, which for millions of
    small steps takes minutes where the exact number takes seconds.
    """
    loss = _rough_loss(events)
    if loss > MAX_ROUGH_LOSS:
        return True
    if loss - math.log(delta) <= MAX_EPSILON:
        return False
    if sum(event.count for event in events) > LONG_RUN_STEPS:
        return (
            loss > MAX_LONG_RUN_LOSS
        )  # by the central limit theorem, epsilon is at least half of it
    return accounting.rough_epsilon_of(events, delta) > MAX_EPSILON


def _rough_loss(events: tuple[Event, ...]) -> float:
    """The chi-square divergences of all events added up, q^2 (e^(1/s^2) - 1) each.

    Real runs have tens; a stranger's certificate may have numbers that take an accountant days.
    """
    total = 0.0
    for event in events:
        probability = getattr(event, "sampling_probability", 1.0)
        grows = math.expm1(min(1 / event.noise_multiplier**2, 50.0))
        total += event.count * probability**2 * grows
    return total


def faults(certificate: PrivacyCertificate) -> tuple[str, ...]:
    """Why the claim cannot stand, a sentence each; none when it follows from its events."""
    found = []
    if not certificate.delta < 1 / certificate.units:
        found.append(
            f"Its delta of {certificate.delta:g} is not below 1/n, so whole "
            f"{certificate.unit}s could leak."
        )
    if certificate.noise.source != "operating system":
        found.append(
            "Its noise came from a seed, so that whoever knows the seed can take it off again."
        )
    epsilon = recomputed_epsilon(certificate)
    if not abs(epsilon - certificate.epsilon) <= EPSILON_TOLERANCE:  # so written, NaN fails
        found.append(
            f"It claims epsilon {certificate.epsilon:.4f} at delta {certificate.delta:.2e}, but "
            f"its events give epsilon {epsilon:.4f}."
        )
    bound, noise = certificate.lower_bound, certificate.noise
    if bound is not None and bound.epsilon > certificate.epsilon:
        found.append(
            f"It claims epsilon {certificate.epsilon:.4f}, but an attack on its run proved at "
            f"least {bound.epsilon:.2f} with {bound.confidence:.4%} confidence."
        )
    if noise.sensitivity_margin < noise.arithmetic_allowance:
        found.append("Its noise leaves less room for rounding than it says that it set aside.")
    records = certificate.data.count  # not told where groups are units
    if certificate.units != certificate.data.units or (
        records is not None and certificate.units > records
    ):
        found.append("Its units are not those of its data set.")
    return tuple(found)


def agrees(certificate: PrivacyCertificate) -> bool:
    """Whether the claim can stand."""
    return not faults(certificate)


def _cache_folder() -> Path:
    named = os.environ.get("SAFEGEN_CACHE")
    return (Path(named) if named else platformdirs.user_cache_path("safegen")) / "epsilon"
