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
from safegen.privacy import accounting
from safegen.records.canonical import Record, digest
from safegen.records.certificate import Event

if TYPE_CHECKING:
    from safegen.records.certificate import PrivacyCertificate

TOLERANCE = 1e-6
SENSELESS = 100.0  # an epsilon above this protects nobody, and can take very long to compute


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
    if accounting.rough_epsilon_of(certificate.events, certificate.delta) > SENSELESS:
        return math.inf
    epsilon = accounting.epsilon_of(certificate.events, certificate.delta)
    with contextlib.suppress(StorageError):  # a cache that cannot be written costs only time
        storage.write(kept, json.dumps({"epsilon": epsilon}).encode())
    return epsilon


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
    if not abs(epsilon - certificate.epsilon) <= TOLERANCE:  # so written, NaN fails
        found.append(
            f"It claims epsilon {certificate.epsilon:.4f} at delta {certificate.delta:.2e}, but "
            f"its events give epsilon {epsilon:.4f}."
        )
    return tuple(found)


def agrees(certificate: PrivacyCertificate) -> bool:
    """Whether the claim can stand."""
    return not faults(certificate)


def _cache_folder() -> Path:
    named = os.environ.get("SAFEGEN_CACHE")
    return (Path(named) if named else platformdirs.user_cache_path("safegen")) / "epsilon"
