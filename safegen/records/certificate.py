"""What a privacy claim says, and the events from which anybody can recompute it.

    {
      "format": "safegen.privacy-certificate/1",
      "epsilon": 7.98, "delta": 7.4e-05, "neighbours": "add_or_remove_one", "unit": "record",
      "accountant": "dp-accounting 0.6.0, PLD",
      "events": [
        {"event": "poisson_subsampled_gaussian",
         "sampling_probability": 0.28, "noise_multiplier": 1.7, "count": 240},
        {"event": "gaussian", "noise_multiplier": 4.1, "count": 1}
      ],
      ...
    }

The fields follow NIST SP 800-226: variant, neighbour relation, unit, sampling and trust model
stand beside epsilon and delta, and what was *not* protected is named.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from safegen.records.canonical import Record
from safegen.records.card import DataCard

# Bounds that any real run keeps, so that a stranger's certificate cannot ask for a year of work.
NoiseMultiplier = Annotated[float, Field(ge=0.05, le=1e6)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
MOST_EVENTS = 64


class Gaussian(Record):
    """`count` releases, each with noise of `noise_multiplier` times its L2 sensitivity."""

    event: Literal["gaussian"] = "gaussian"
    noise_multiplier: NoiseMultiplier
    count: Count = 1


class PoissonSubsampledGaussian(Record):
    """`count` Gaussian steps, each on records drawn independently with `sampling_probability`."""

    event: Literal["poisson_subsampled_gaussian"] = "poisson_subsampled_gaussian"
    sampling_probability: Annotated[float, Field(gt=0, le=1)]
    noise_multiplier: NoiseMultiplier
    count: Count


Event = Annotated[Gaussian | PoissonSubsampledGaussian, Field(discriminator="event")]


class PrivacyCertificate(Record):
    """The privacy claim of one training run.

    Attributes:
        epsilon: upper bound at `delta`, recomputed from `events`, never from the plan.
        delta: the probability that the bound may fail with, below 1 / count.
        target_epsilon: what the run was allowed; `epsilon` is at most this.
        neighbours: how two data sets that must look alike differ.
        unit: what is added or removed.
        accountant: library, version and method behind `epsilon`.
        events: what really ran, in the vocabulary of dp-accounting.
        clipping_norm: L2 bound on one record's gradient.
        sampling: how records entered a step.
        noise: where the noise came from.
        trust_model: who saw the records.
        outcome: whether all planned steps ran, or the budget ended them.
        lower_bound: audited lower bound on epsilon; null means that no audit was made.
        data: the published card of the data set.
        public_by_assumption: what the guarantee takes to be known to everybody.
        not_protected: what the guarantee does not cover.
    """

    format: Literal["safegen.privacy-certificate/1"] = "safegen.privacy-certificate/1"
    epsilon: NonNegativeFloat
    delta: Annotated[float, Field(gt=0, lt=1)]
    target_epsilon: PositiveFloat
    variant: Literal["(epsilon, delta)-differential privacy"] = (
        "(epsilon, delta)-differential privacy"
    )
    neighbours: Literal["add_or_remove_one"] = "add_or_remove_one"
    unit: Literal["record"] = "record"
    accountant: str
    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=MOST_EVENTS)]
    clipping_norm: PositiveFloat
    sampling: Literal["poisson"] = "poisson"
    noise: str
    trust_model: str
    outcome: Literal["completed", "budget_exhausted"]
    lower_bound: PositiveFloat | None = None
    data: DataCard
    public_by_assumption: tuple[str, ...]
    not_protected: tuple[str, ...]
