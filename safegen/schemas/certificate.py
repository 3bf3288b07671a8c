"""What a privacy claim says, and the events from which anybody can recompute it.

    {
      "format": "safegen.privacy-certificate/3",
      "epsilon": 7.98, "delta": 7.4e-05, "neighbours": "zero_out_one", "unit": "record",
      "accountant": "dp-accounting 0.6.0, PLD",
      "events": [
        {"event": "poisson_subsampled_gaussian",
         "sampling_probability": 0.28, "noise_multiplier": 1.7, "count": 240},
        {"event": "gaussian", "noise_multiplier": 4.1, "count": 1}
      ],
      "noise": {"source": "operating system", "sensitivity_margin": 0.0018, ...},
      "lower_bound": {"epsilon": 0.9, "confidence": 0.95, "canaries": 1000, ...},
      ...
    }

The fields follow NIST SP 800-226: variant, neighbour relation, unit, sampling and trust model
stand beside epsilon and delta, and what was *not* protected is named.

Neighbours are equally large: one has an empty unit where the other has a record or a group, which
is drawn like any and adds nothing (zero-out: Kairouz et al. 2021, Ponomareva et al. 2023). Version
2 said `add_or_remove_one` of the same events, beside the very number of units that this changes.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from safegen.schemas.canonical import Record
from safegen.schemas.card import DataCard, Unit

# Bounds that any real run keeps, so that a stranger's certificate cannot ask for a year of work.
NoiseMultiplier = Annotated[float, Field(ge=0.05, le=1e6)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
NEIGHBOURS = {
    "zero_out_one": "one {unit} taken out and its place left empty",
    "add_or_remove_one": "one {unit} added or removed",
}
MAX_EVENT_KINDS = 8  # kinds; steps and six releases at most; each more takes an accountant longer


class Gaussian(Record):
    """`count` releases, each with noise of `noise_multiplier` times its L2 sensitivity.

    Attributes:
        event: which mechanism ran.
        noise_multiplier: standard deviation of the noise over the sensitivity.
        count: how many releases.
    """

    event: Literal["gaussian"] = "gaussian"
    noise_multiplier: NoiseMultiplier
    count: Count = 1


class PoissonSubsampledGaussian(Record):
    """`count` Gaussian steps, each on records drawn independently with `sampling_probability`.

    Attributes:
        event: which mechanism ran.
        sampling_probability: of each unit, in each step, independently.
        noise_multiplier: standard deviation of the noise over the clipping norm.
        count: how many steps.
    """

    event: Literal["poisson_subsampled_gaussian"] = "poisson_subsampled_gaussian"
    sampling_probability: Annotated[float, Field(gt=0, le=1)]
    noise_multiplier: NoiseMultiplier
    count: Count


Event = Annotated[Gaussian | PoissonSubsampledGaussian, Field(discriminator="event")]


class Noise(Record):
    """Where the noise came from, and what it was added to.

    Attributes:
        source: `operating system` for an AES-128 counter stream with a key that nobody else had;
            `unsafe seed` voids the whole certificate.
        lattice_spacing: the steps' sums and noise are integers times this.
        sensitivity_margin: the steps' noise is scaled to the clipping norm times one plus this: for
            rounding to the lattice, and for the allowance.
        arithmetic_allowance: the part of the margin set aside for the arithmetic of the sums
            (`docs/decisions/0037-a-proved-allowance.md`; in version 2 measured, not proved).
    """

    source: Literal["operating system", "unsafe seed"]
    lattice_spacing: PositiveFloat
    sensitivity_margin: PositiveFloat
    arithmetic_allowance: PositiveFloat


class LowerBound(Record):
    """What an attack on this very run could prove.

    Attributes:
        epsilon: at the certificate's delta, epsilon is at least this with `confidence`.
        confidence: probability that the bound holds, over the run's own randomness.
        attack: what was tried.
        canaries: made-up units that took part, or could have, by a coin.
        guesses: how many of them the attack dared to guess.
        correct: how many of the guesses were right.
    """

    epsilon: NonNegativeFloat
    confidence: Annotated[float, Field(gt=0, lt=1)]
    attack: str
    canaries: PositiveInt
    guesses: NonNegativeInt
    correct: NonNegativeInt

    def in_words(self) -> str:
        """What the attack came to, for the middle of a sentence."""
        right = f"{self.correct} of {self.guesses} guesses about {self.canaries:,} canaries right"
        if not self.epsilon:
            return f"an attack on this run proved nothing about epsilon ({right})"
        return (
            f"an attack on this run proved epsilon at least {self.epsilon:.2f} with "
            f"{self.confidence:.0%} confidence ({right})"
        )


class PrivacyCertificate(Record):
    """The privacy claim of one training run.

    Attributes:
        format: the format's name and version.
        epsilon: upper bound at `delta`, recomputed from `events`, never from the plan.
        delta: the probability that the bound may fail with, below 1 / units.
        target_epsilon: what the run was allowed; `epsilon` is at most this.
        variant: of differential privacy.
        neighbours: how two data sets that must look alike differ; `add_or_remove_one` in version 2.
        unit: what is there in one of them, and an empty place in the other.
        units: how many there are in the data set.
        records_per_unit: how many records of a unit took part in a step at most.
        accountant: library, version and method behind `epsilon`.
        events: what really ran, in the vocabulary of dp-accounting.
        clipping_norm: L2 bound on one unit's gradient.
        sampling: how units entered a step.
        noise: where the noise came from, and what it was added to.
        trust_model: who saw the records.
        outcome: whether all planned steps ran, or the budget ended them.
        lower_bound: what an attack on this run could prove; null when none was made.
        data: the published card of the data set.
        public_by_assumption: what the guarantee takes to be known to everybody.
        not_protected: what the guarantee does not cover.
    """

    format: Literal["safegen.privacy-certificate/3", "safegen.privacy-certificate/2"] = (
        "safegen.privacy-certificate/3"
    )
    epsilon: NonNegativeFloat
    delta: Annotated[float, Field(gt=0, lt=1)]
    target_epsilon: PositiveFloat
    variant: Literal["(epsilon, delta)-differential privacy"] = (
        "(epsilon, delta)-differential privacy"
    )
    neighbours: Literal["zero_out_one", "add_or_remove_one"] = "zero_out_one"
    unit: Unit
    units: PositiveInt
    records_per_unit: PositiveInt
    accountant: str
    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=MAX_EVENT_KINDS)]
    clipping_norm: PositiveFloat
    sampling: Literal["poisson"] = "poisson"
    noise: Noise
    trust_model: str
    outcome: Literal["completed", "budget_exhausted"]
    lower_bound: LowerBound | None = None  # a null is left out of a manifest
    data: DataCard
    public_by_assumption: tuple[str, ...]
    not_protected: tuple[str, ...]

    @model_validator(mode="after")
    def _says_what_its_version_says(self) -> Self:
        of_version = "zero_out_one" if self.format.endswith("/3") else "add_or_remove_one"
        if self.neighbours != of_version:
            raise ValueError(f"neighbours in {self.format} are {of_version}")
        return self

    def difference(self) -> str:
        """What one neighbour has and the other has not, for the end of `for one ...`."""
        return NEIGHBOURS[self.neighbours].format(unit=self.unit)
