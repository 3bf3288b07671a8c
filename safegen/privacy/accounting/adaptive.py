"""What runs that are chosen one after another cost together: a Gaussian-DP filter; no torch.

Whoever chooses a run by what earlier ones gave cannot add up privacy losses as if all runs had
been chosen beforehand: such a sum is no bound (Regehr et al. 2026, arXiv 2602.15815; Honkela et
al. 2026, arXiv 2602.06756). Gaussian DP can be added up so: mu squared of each run, up to a total
(Smith & Thakurta 2022, arXiv 2210.17520; Koskela, Tobaben & Honkela 2023).

A run's steps are sampled, and sampled Gaussians are not Gaussian far out. So a run counts as
(mu, slack)-Gaussian when at every epsilon, and for both orders of the neighbours, its delta is

    H(epsilon) <= (1 - slack) G_mu(epsilon) + slack,

which says that it can be made from one draw of N(mu, 1) against N(0, 1), but for a coin that
shows everything with probability `slack` (Blackwell 1953). Runs of which this holds, each chosen
by all that was published before, are draws from one Brownian motion, with drift or without, up to
the time that their mu squared come to; hence all together are

    (epsilon, G_mu(epsilon) + slack)-DP, mu squared and slack being bounds on the runs' sums.

docs/privacy.md has the proof. It holds for runs that are under way at the same time, too (Vadhan
& Zhang 2023; Haney et al. 2023, arXiv 2309.05901).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from safegen.privacy.accounting import events as accounting

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from safegen.schemas.certificate import Event

SLACK_SHARE = 0.1  # of delta, for all runs' slacks together
MAX_MU = 50.0  # beyond which a run hides nobody, and counts as infinite
MAX_EPSILON = 100.0  # epsilon; a run whose delta is above its slack even there counts as infinite
GRID_FINENESS = 1e-3  # how much finer than its numbers the grid of epsilons is
MU_TOLERANCE = 1e-5  # relative; a mu that is sought errs on the safe side by this


def slack_of(number: int, delta: float) -> float:
    """What a run may leave to chance; over any number of runs it sums to less than the reserve.

    Args:
        number: of the run on its data set, from 1.
        delta: of the data set's total.

    >>> slack_of(1, 1e-6), round(sum(slack_of(k, 1e-6) for k in range(1, 1000)), 10)
    (5e-08, 9.99e-08)
    """
    return SLACK_SHARE * delta / (number * (number + 1))


def mu_of(
    events: Sequence[Event], slack: float, interval: float = accounting.COARSE_BIN_WIDTH
) -> float:
    """The smallest mu with which a run is (mu, slack)-Gaussian.

    The comparison is made on a grid: delta falls with epsilon, so a run's delta at one point is
    held against the Gaussian's at the next, which covers all between. Negative epsilons follow
    from the other order of the neighbours.

    Args:
        events: of one run, whose noise and number of steps are fixed before it begins.
        slack: in (0, 1).
        interval: width of the bins of privacy losses; wider ones are faster, and overstate more.

    Returns:
        mu, not below what it is by more than rounding; infinite when no mu will do.

    >>> from safegen.schemas.certificate import Gaussian
    >>> round(mu_of([Gaussian(noise_multiplier=2.0)], 1e-9), 3)
    0.5
    """
    return _mu_of(accounting.in_order(events), slack, interval) if events else 0.0


@functools.lru_cache(maxsize=256)
def _mu_of(events: tuple[Event, ...], slack: float, interval: float) -> float:
    import numpy as np

    (at_zero,) = accounting.deltas_of(events, np.zeros(1), interval)
    grid = _grid(float(at_zero))
    deltas = accounting.deltas_of(events, grid, interval)
    if deltas[-1] > slack:
        return math.inf
    above = deltas[:-1] > slack
    needed = (deltas[:-1][above] - slack) / (1 - slack)
    after = grid[1:][above]

    def covers(mu: float) -> bool:
        return bool((gaussian_deltas(mu, after) >= needed).all())

    low, high = 0.0, 2 * GRID_FINENESS
    while not covers(high):
        low, high = high, 2 * high
        if high > MAX_MU:
            return math.inf
    while high - low > MU_TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if covers(middle) else (middle, high)
    return high


def _grid(at_zero: float) -> NDArray[np.float64]:
    """Epsilons from 0, as finely spaced as delta at 0 asks for; further out, relatively."""
    import numpy as np

    first = GRID_FINENESS * max(at_zero, GRID_FINENESS)
    near = np.arange(0.0, first / GRID_FINENESS, first)
    far = np.geomspace(
        first / GRID_FINENESS,
        MAX_EPSILON,
        math.ceil(math.log(GRID_FINENESS * MAX_EPSILON / first) / GRID_FINENESS),
    )
    return np.concatenate([near, far])


def total_mu(epsilon: float, delta: float) -> float:
    """What all runs' mu may come to, as the root of the sum of squares, under a total.

    Args:
        epsilon: the total.
        delta: of the total, the reserve included.

    >>> round(total_mu(10.0, 1e-6), 3)
    1.842
    """
    return least_mu(epsilon, (1 - SLACK_SHARE) * delta)


def least_mu(epsilon: float, delta: float) -> float:
    """The mu with which N(mu, 1) against N(0, 1) has delta at epsilon, or just below it.

    Whatever has that much at epsilon cannot be Gaussian with less.
    """
    low, high = 0.0, 1.0
    while _delta(high, epsilon) <= delta:
        low, high = high, 2 * high
    while high - low > MU_TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _delta(middle, epsilon) <= delta else (low, middle)
    return low


def epsilon_of_mu(mu: float, delta: float) -> float:
    """The smallest total under which runs may come to `mu`.

    Args:
        mu: the root of the sum of the runs' squared mu.
        delta: of the total, the reserve included.

    >>> round(epsilon_of_mu(1.842, 1e-6), 2)
    10.0
    """
    return epsilon_at(mu, (1 - SLACK_SHARE) * delta)


def epsilon_at(mu: float, delta: float) -> float:
    """The epsilon of N(mu, 1) against N(0, 1) at delta."""
    if not math.isfinite(mu):
        return math.inf
    if not mu or _delta(mu, 0.0) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while _delta(mu, high) > delta:
        low, high = high, 2 * high
    while high - low > MU_TOLERANCE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _delta(mu, middle) <= delta else (middle, high)
    return high


def together(mus: Sequence[float]) -> float:
    """The mu of runs that were chosen one after another.

    >>> together([3.0, 4.0])
    5.0
    """
    return math.hypot(*mus)


def gaussian_deltas(mu: float, epsilons: NDArray[np.float64]) -> NDArray[np.float64]:
    """What delta N(mu, 1) against N(0, 1) has at each epsilon (Balle & Wang 2018, theorem 8).

    Args:
        mu: above 0.
        epsilons: (count,), at least 0.
    """
    import numpy as np
    from scipy.special import log_ndtr, ndtr

    far = np.exp(epsilons + log_ndtr(-mu / 2 - epsilons / mu))
    deltas: NDArray[np.float64] = ndtr(mu / 2 - epsilons / mu) - far
    return deltas


def _delta(mu: float, epsilon: float) -> float:
    import numpy as np

    return float(gaussian_deltas(mu, np.array([epsilon]))[0])
