"""Events to epsilon, and back, by dp-accounting's privacy loss distributions; no torch.

dp-accounting costs about a second to import, so it is imported, as numpy is, when a number is
asked for.
The method is PLD (Sommer et al. 2019; Doroshenko et al. 2022): it composes the events' privacy
loss distributions and is tight up to its discretisation, which errs on the safe side.
"""

from __future__ import annotations

import functools
import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from safegen.errors import PlanError
from safegen.schemas.certificate import Event, Gaussian, PoissonSubsampledGaussian

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

LOSS_BIN_WIDTH = 1e-4  # width of the privacy loss bins; dp-accounting's own default
COARSE_BIN_WIDTH = 1e-3  # ten times faster, and errs further on the safe side: for searching only
ROUGH_BIN_WIDTH = 1e-2  # a hundred times faster: to see whether a number is worth computing at all
MAX_NOISE_MULTIPLIER = 2.0**19  # multiplier; a target that this does not reach is out of reach
CALIBRATION_TOLERANCE = 1e-4  # relative; calibrated noise is never below what the target needs


def accountant_name() -> str:
    """Library, version and method, as a certificate states them."""
    return f"dp-accounting {version('dp-accounting')}, PLD"


def epsilon_of(events: Sequence[Event], delta: float) -> float:
    """The smallest epsilon that composing `events` gives at `delta`.

    Neighbours differ in one unit, which is empty in one of them. An empty unit is drawn like any
    and adds nothing, so that the pair of distributions to tell apart is that of adding or removing
    one: with probability q a Gaussian that is moved by the sensitivity, and one that is not
    (`docs/privacy.md`). That is what dp-accounting has a name for.

    Args:
        events: what ran, in any order; none at all costs nothing.
        delta: in (0, 1).

    Returns:
        epsilon, at least 0; infinite when `delta` cannot be met.

    >>> steps = PoissonSubsampledGaussian(
    ...     sampling_probability=256 / 1797, noise_multiplier=1.5, count=300)
    >>> round(epsilon_of([steps, Gaussian(noise_multiplier=20.0)], 1e-5), 2)
    9.46
    """
    return _epsilon(in_order(events), delta, LOSS_BIN_WIDTH)


def coarse_epsilon_of(events: Sequence[Event], delta: float) -> float:
    """Epsilon in a tenth of the time, overstated by some thousandths; for suggestions only."""
    return _epsilon(in_order(events), delta, COARSE_BIN_WIDTH)


def rough_epsilon_of(events: Sequence[Event], delta: float) -> float:
    """Epsilon in a hundredth of the time, overstated by some hundredths; for refusing only."""
    return _epsilon(in_order(events), delta, ROUGH_BIN_WIDTH)


def surely_costs_more(events: Sequence[Event], epsilon: float, delta: float) -> bool:
    """Whether events certainly cost more than `epsilon`, in a hundredth of the time.

    Bins round each event's loss up by their width at most, so that this is what the rough number
    can be above the true one. False says nothing.
    """
    overstated = ROUGH_BIN_WIDTH * sum(event.count for event in events)
    return rough_epsilon_of(events, delta) - overstated > epsilon


def forget() -> None:
    """Drop what was computed in this process, so that the next number is computed anew."""
    _epsilon.cache_clear()
    _loss_of_one.cache_clear()


def deltas_of(
    events: Sequence[Event], epsilons: NDArray[np.float64], interval: float = COARSE_BIN_WIDTH
) -> NDArray[np.float64]:
    """The smallest delta that composing `events` gives at each epsilon: their privacy profile.

    Args:
        events: what ran, in any order.
        epsilons: (count,), ascending, at least 0.
        interval: width of the bins; wider ones are faster, and overstate more.
    """
    import numpy as np

    found: NDArray[np.float64] = np.asarray(
        _loss(in_order(events), interval).get_delta_for_epsilon(epsilons), dtype=np.float64
    )
    return found


def in_order(events: Sequence[Event]) -> tuple[Event, ...]:
    """Events as a key: the same for the same events."""
    return tuple(sorted(events, key=lambda event: event.model_dump_json()))


@functools.lru_cache(maxsize=256)
def _epsilon(events: tuple[Event, ...], delta: float, interval: float) -> float:
    return float(_loss(events, interval).get_epsilon_for_delta(delta))


def _loss(events: tuple[Event, ...], interval: float) -> Any:  # noqa: ANN401 - dp-accounting has no types
    """The privacy loss distribution of all events together."""
    from dp_accounting.pld.privacy_loss_distribution import identity

    loss = identity(value_discretization_interval=interval)
    for event in events:
        loss = loss.compose(_loss_of(event, interval))
    return loss


def _loss_of(event: Event, interval: float) -> Any:  # noqa: ANN401 - dp-accounting has no types
    """One event as dp-accounting's own accountant composes it; an unknown event refuses."""
    match event:
        case Gaussian():  # so many releases are one of less noise
            return _loss_of_one(event.noise_multiplier / math.sqrt(event.count), 1.0, interval)
        case PoissonSubsampledGaussian():
            once = _loss_of_one(event.noise_multiplier, event.sampling_probability, interval)
            return once.self_compose(event.count)
        case _:
            raise PlanError(f"no accountant here knows the event {event!r}; it cannot be skipped")


@functools.lru_cache(maxsize=32)  # nearly all of the time; numbers of steps are tried one by one
def _loss_of_one(noise_multiplier: float, sampling_probability: float, interval: float) -> Any:  # noqa: ANN401 - dp-accounting has no types
    import dp_accounting
    from dp_accounting.pld.privacy_loss_distribution import from_gaussian_mechanism

    return from_gaussian_mechanism(
        standard_deviation=noise_multiplier,
        value_discretization_interval=interval,
        sampling_prob=sampling_probability,
        neighboring_relation=dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE,
    )


def calibrate(
    events_at: Callable[[float], Sequence[Event]],
    *,
    epsilon: float,
    delta: float,
    interval: float = COARSE_BIN_WIDTH,
) -> float:
    """The smallest noise multiplier with which the events cost at most `epsilon`.

    Bisection on a logarithmic scale with coarse bins; the answer is the safe end of the last
    bracket, and coarse bins overstate epsilon, so the answer never costs more than the target.

    Args:
        events_at: the events as a function of the noise multiplier sought.
        epsilon: the target.
        delta: in (0, 1).
        interval: width of the bins; wider ones are faster, and ask for more noise.

    Raises:
        PlanError: no noise is enough, because the other events cost more than the target.

    >>> sigma = calibrate(lambda s: [Gaussian(noise_multiplier=s)], epsilon=1.0, delta=1e-5)
    >>> round(sigma, 2)
    3.73
    """

    def affordable(noise_multiplier: float) -> bool:
        return _epsilon(in_order(events_at(noise_multiplier)), delta, interval) <= epsilon

    high = 1.0
    while not affordable(high):
        high *= 2
        if high > MAX_NOISE_MULTIPLIER:
            raise PlanError(
                f"no amount of noise reaches epsilon {epsilon:g} at delta {delta:g}; raise epsilon"
            )
    low = high / 2
    while affordable(low):
        high, low = low, low / 2
        if low < 1e-3:
            return high
    while high / low > 1 + CALIBRATION_TOLERANCE:
        middle = math.sqrt(low * high)
        if affordable(middle):
            high = middle
        else:
            low = middle
    return high


def affordable_count(
    events_after: Callable[[int], Sequence[Event]], *, epsilon: float, delta: float, at_most: int
) -> int:
    """How many of `at_most` steps fit under `epsilon`; 0 when not even one does.

    Bisection with coarse bins, which overstate epsilon: the answer never costs more.
    """

    def affordable(count: int) -> bool:
        return _epsilon(in_order(events_after(count)), delta, COARSE_BIN_WIDTH) <= epsilon

    if not affordable(1):
        return 0
    if affordable(at_most):
        return at_most
    low, high = 1, at_most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if affordable(middle) else (low, middle)
    return low
