"""PrivacyPlan: everything that determines epsilon, bound in one frozen value.

Learning rates, networks, devices and seeds live elsewhere: changing them cannot change epsilon.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from safegen.errors import PlanError
from safegen.privacy.accounting import events as accounting
from safegen.privacy.accounting.ranges import MAX_STEPS, MIN_DELTA, NOISE_RANGE
from safegen.schemas.card import Unit
from safegen.schemas.certificate import Event, Gaussian, PoissonSubsampledGaussian

MAX_DEFAULT_DELTA = 1e-3  # by default: with few records, 1 / (n ln n) would promise nothing

Purpose = Literal["basis", "classes", "latents", "components", "grain", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DpRelease:
    """Gaussian releases of one kind: statistics of all records, each time with fresh noise.

    Attributes:
        purpose: what is released: `basis` and `classes` for the warm start, `latents` and
            `components` for the latent prior, `grain` for fine texture, `judge` for how to tell
            labels.
        noise_multiplier: noise deviation over the L2 sensitivity.
        count: how often.
    """

    purpose: Purpose
    noise_multiplier: float
    count: int = 1

    def __post_init__(self) -> None:
        if self.purpose not in get_args(Purpose):
            raise PlanError(f"no release has the purpose {self.purpose!r}")
        if not 1 <= self.count <= MAX_STEPS:
            raise PlanError(f"{self.count} releases cannot be made; choose 1 or more")
        _require_noise(f"the noise multiplier of the release {self.purpose}", self.noise_multiplier)

    @property
    def event(self) -> Gaussian:
        """What it costs, as an event."""
        return Gaussian(noise_multiplier=self.noise_multiplier, count=self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A release before its noise is known.

    Attributes:
        purpose: as of `DpRelease`.
        share: of the budget, for all its releases together, measured in squared Gaussian-DP mu,
            which adds up over releases (Dong, Roth, Su 2022, corollary 3.3).
        count: how often.
    """

    purpose: Purpose
    share: float
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyPlan:
    """A private training run before it starts: Gaussian releases, and many steps.

    Attributes:
        epsilon: the most that the run may cost, at `delta`.
        delta: probability that the bound fails; below 1 / units.
        units: privacy units in the data set; public by assumption.
        expected_batch_size: units in a step on average; the sampling probability is this over
            `units`.
        steps: noisy gradient steps.
        clipping_norm: L2 bound on one unit's gradient in a step.
        noise_multiplier: a step's noise deviation over `clipping_norm`.
        releases: what is released of all records, before the steps or after them.
        sampling: how units enter a step; only Poisson sampling is accounted for.
        neighbours: how two data sets that must look alike differ: in one unit, whose place is empty
            in one of them (`docs/privacy.md`). `add_or_remove_one`, as plans of 0.1 called the same
            mechanism, becomes this.
        unit: what that place holds: a record, or a group of records such as a patient.
        records_per_unit: how many records of a unit take part in a step at most.
    """

    epsilon: float
    delta: float
    units: int
    expected_batch_size: int
    steps: int
    clipping_norm: float
    noise_multiplier: float
    releases: tuple[DpRelease, ...] = ()
    sampling: Literal["poisson"] = "poisson"
    neighbours: Literal["zero_out_one", "add_or_remove_one"] = "zero_out_one"
    unit: Unit = "record"
    records_per_unit: int = 1

    def __post_init__(self) -> None:
        _require_target(self.epsilon, self.delta, self.units)
        self._require_known_mechanism()
        if not 1 <= self.expected_batch_size <= self.units:
            raise PlanError(
                f"a batch of {self.expected_batch_size} {self.unit}s does not fit a data set of "
                f"{self.units}; choose from 1 to {self.units}"
            )
        if not 1 <= self.steps <= MAX_STEPS:
            raise PlanError(f"{self.steps} steps cannot run; choose from 1 to {MAX_STEPS:,}")
        for name in ("clipping_norm", "noise_multiplier"):
            _require_positive(name, getattr(self, name))
        if len({release.purpose for release in self.releases}) < len(self.releases):
            raise PlanError("two releases have one purpose; make them one release with a count")

    def _require_known_mechanism(self) -> None:
        """Types are not checked while a program runs; what is not accounted for is refused here."""
        if self.sampling != "poisson":
            raise PlanError(
                f"sampling is {self.sampling!r}; only poisson is accounted for, and shuffled "
                "batches would overstate the guarantee"
            )
        if self.neighbours == "add_or_remove_one":  # an interrupted run of 0.1
            object.__setattr__(self, "neighbours", "zero_out_one")
        if self.neighbours != "zero_out_one":
            raise PlanError(f"neighbours are {self.neighbours!r}; only zero_out_one is known")
        if self.unit not in get_args(Unit):
            raise PlanError(f"the unit is {self.unit!r}; choose record or group")
        if self.records_per_unit < 1 or (self.unit == "record" and self.records_per_unit != 1):
            raise PlanError(
                f"{self.records_per_unit} records of a {self.unit} cannot take part in a step; "
                "choose 1 for a record, and 1 or more for a group"
            )

    @property
    def sampling_probability(self) -> float:
        """The probability with which each unit enters a step, independently of all others."""
        return self.expected_batch_size / self.units

    def events(self, steps: int | None = None) -> tuple[Event, ...]:
        """The events of a run of `steps` steps, all of them by default, and of its releases."""
        return self.step_events(self.steps if steps is None else steps) + self.release_events()

    def step_events(self, steps: int) -> tuple[Event, ...]:
        """The events of `steps` noisy steps alone; none for none."""
        if not steps:
            return ()
        return (
            PoissonSubsampledGaussian(
                sampling_probability=self.sampling_probability,
                noise_multiplier=self.noise_multiplier,
                count=steps,
            ),
        )

    def release_events(self) -> tuple[Event, ...]:
        """The events of the releases alone; none where there are none."""
        return tuple(release.event for release in self.releases)

    def release(self, purpose: Purpose) -> DpRelease | None:
        """The release with a purpose; None where there is none."""
        return next((each for each in self.releases if each.purpose == purpose), None)

    def granted_events(self) -> tuple[Event, ...]:
        """The events of as much of the run as the budget allows: what a grant holds."""
        return self.events(self.affordable_steps())

    def costs(self) -> float:
        """Epsilon that as much of the run as the budget allows will cost."""
        return accounting.coarse_epsilon_of(self.granted_events(), self.delta)

    def affordable_steps(self) -> int:
        """How many of the planned steps the budget allows, with room left for the releases."""
        return accounting.affordable_count(
            self.events, epsilon=self.epsilon, delta=self.delta, at_most=self.steps
        )


def default_delta(units: int) -> float:
    """1 / (n ln n), the customary delta for n units, and never above 1e-3.

    >>> f"{default_delta(60_000):.2e}"
    '1.51e-06'
    """
    return min(1 / (units * math.log(max(units, 3))), MAX_DEFAULT_DELTA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a run does, before its noise is known.

    Attributes:
        units: privacy units in the data set.
        expected_batch_size: units that a step draws on average.
        steps: noisy gradient steps.
        clipping_norm: L2 bound on one unit's gradient.
        shares: of the budget, for releases; together below 1.
        unit: a record, or a group.
        records_per_unit: records of a unit in a step at most.
    """

    units: int
    expected_batch_size: int
    steps: int
    clipping_norm: float
    shares: tuple[Share, ...] = ()
    unit: Unit = "record"
    records_per_unit: int = 1


def plan_within(
    work: Workload,
    *,
    epsilon: float,
    delta: float | None = None,
    noise_multiplier: float | None = None,
    rough: bool = False,
) -> PrivacyPlan:
    """Plan a run that costs at most `epsilon`, with as little noise as that allows.

    Args:
        work: what the run does.
        epsilon: the most that the run may cost.
        delta: below 1 / units; 1 / (n ln n) by default.
        noise_multiplier: of the steps; sought when None. When given, the run may afford fewer
            steps than planned, and stops there.
        rough: seek the noise in a fraction of the time and find a little more than is needed: to
            see what a plan would be like, not to run it.

    Raises:
        PlanError: no mechanism can honour this.
    """
    interval = accounting.ROUGH_BIN_WIDTH if rough else accounting.COARSE_BIN_WIDTH
    delta = default_delta(work.units) if delta is None else delta
    _require_target(epsilon, delta, work.units)
    releases = _releases(work.shares, epsilon, delta, interval)

    def plan_at(sigma: float) -> PrivacyPlan:
        return PrivacyPlan(
            epsilon=epsilon,
            delta=delta,
            units=work.units,
            expected_batch_size=work.expected_batch_size,
            steps=work.steps,
            clipping_norm=work.clipping_norm,
            noise_multiplier=sigma,
            releases=releases,
            unit=work.unit,
            records_per_unit=work.records_per_unit,
        )

    if noise_multiplier is not None:
        _require_noise("noise_multiplier", noise_multiplier)
        given = plan_at(noise_multiplier)
        if not given.affordable_steps():
            raise PlanError(
                f"epsilon {epsilon:g} does not pay for one step with noise multiplier "
                f"{noise_multiplier:g}; raise one of them"
            )
        return given
    plan_at(1.0)  # refuse a plan that cannot be before looking for its noise
    if not rough and _affords_everything(plan_at(NOISE_RANGE[0])):
        raise _too_generous(epsilon)
    return plan_at(
        accounting.calibrate(
            lambda sigma: plan_at(sigma).events(), epsilon=epsilon, delta=delta, interval=interval
        )
    )


def _affords_everything(plan: PrivacyPlan) -> bool:
    """Whether all steps fit; with little noise that is nearly never so, and quickly told."""
    if accounting.surely_costs_more(plan.events(), plan.epsilon, plan.delta):
        return False
    return plan.affordable_steps() == plan.steps


def _releases(
    shares: tuple[Share, ...], epsilon: float, delta: float, interval: float
) -> tuple[DpRelease, ...]:
    """Releases with the noise that their shares of the budget pay for."""
    together = sum(each.share for each in shares)
    if not (together < 1 and all(each.share > 0 for each in shares)):
        raise PlanError(
            f"the releases' shares come to {together:g}; each must be above 0, and all below 1"
        )
    if not shares:
        return ()
    quietest = Gaussian(noise_multiplier=2 * NOISE_RANGE[0])  # a search goes on to half of it
    if accounting.rough_epsilon_of([quietest], delta) <= epsilon:
        raise _too_generous(epsilon)
    whole = accounting.calibrate(
        lambda sigma: [Gaussian(noise_multiplier=sigma)],
        epsilon=epsilon,
        delta=delta,
        interval=interval,
    )
    return tuple(
        DpRelease(
            purpose=each.purpose,
            noise_multiplier=whole * math.sqrt(each.count / each.share),
            count=each.count,
        )
        for each in shares
    )


def _too_generous(epsilon: float) -> PlanError:
    return PlanError(
        f"epsilon {epsilon:g} asks for less noise than hides anybody; choose a smaller one"
    )


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise PlanError(f"{name} is {value}; it must be a finite number above 0")


def _require_noise(name: str, value: float) -> None:
    if not NOISE_RANGE[0] <= value <= NOISE_RANGE[1]:
        raise PlanError(
            f"{name} is {value:g}; choose from {NOISE_RANGE[0]:g} to {NOISE_RANGE[1]:g}, which is "
            "what a certificate can state"
        )


def _require_target(epsilon: float, delta: float, units: int) -> None:
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise PlanError(f"epsilon is {epsilon:g}; it must be a finite number above 0")
    if units < 2:
        raise PlanError(f"a data set of {units} cannot hide anybody; it needs 2 or more")
    if 0 < delta < MIN_DELTA:
        raise PlanError(
            f"delta is {delta:g}, too small to be accounted for; choose {MIN_DELTA:g} or more"
        )
    if not 0 < delta < 1 / units:
        raise PlanError(
            f"delta is {delta:g}; it must be above 0 and below 1/n = {1 / units:.3g}, or whole "
            f"units could leak; leave it out for {default_delta(units):.3g}"
        )
