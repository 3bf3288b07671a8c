"""Does noise ever repeat itself: within a step, in another layer, in another step?

Whoever subtracts two numbers under the same noise has taken it off. Three looks at all the noise of
a rehearsal, one step behind the other, n numbers in a row:

    likeness    the correlation with itself, moved on by any number of places (by FFT): part of the
                noise comes again, as it is or with its sign turned, pure or mixed with fresh one.
    mirror      the same, read backwards.
    twins       a few numbers that occur again in the same order, or all with their signs turned:
                a repetition too short to show in a correlation.

Each p-value is a bound that holds for any n, over all places together, so that a sound engine is
refused at most as often as the level says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, special

from safegen.audit.canaries import Comparison

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# Deviations within which two numbers count as the same; arithmetic errs by far less.
EQUALITY_TOLERANCE = 1e-3
BY_CHANCE = 1e-9  # how often sound noise may have twins at all
HASH_MULTIPLIER = 6364136223846793005  # an odd number with many bits (Knuth's MMIX)


def repetitions(noise: Vector) -> tuple[Comparison, ...]:
    """Look for noise that comes again.

    Args:
        noise: (n,), float64, n at least 3, over its planned deviation: independent standard normal
            numbers in a sound engine.

    >>> sound = np.random.default_rng(0).standard_normal(10_000)
    >>> [each.sound for each in repetitions(sound)]
    [True, True, True]
    >>> [each.sound for each in repetitions(np.tile(sound[:5000], 2))]
    [False, False, False]
    """
    odd = noise[: len(noise) - 1 + len(noise) % 2]
    energy = float(odd @ odd) or math.nan  # no noise at all is not sound either
    spectrum = fft.rfft(odd)
    moved = fft.irfft(np.abs(spectrum) ** 2, len(odd))[1 : (len(odd) + 1) // 2]
    mirrored = fft.irfft(spectrum**2, len(odd))
    return (
        _likeness(float(np.abs(moved).max()) / energy, len(odd)),
        _mirror(float(np.abs(mirrored).max()) / energy, len(odd)),
        _twins(noise),
    )


def _likeness(largest: float, count: int) -> Comparison:
    """The largest circular autocorrelation r of n normal numbers, n odd, over all distances.

    At one distance, whose cycle has m >= 3 places, the sum of (cos t_j - r) x_j^2 is positive with
    a chance of at most min over u of prod_j (1 - u (cos t_j - r))^(-1/2) (Chernoff). At
    u = 2r / (1 - r^2) the product over a cycle is ((1 - r^m)^2 (1 - r^2)^(-m)), so that the chance
    is at most (1 - r^2)^(n/2) (1 - r^3)^(-n/3). There are (n - 1) / 2 distances and two signs.
    """
    r = min(largest, 1 - 1e-12)
    bound = math.log(count - 1) + count / 2 * math.log1p(-(r**2)) - count / 3 * math.log1p(-(r**3))
    return Comparison(
        what="the likeness of the network's noise to itself at any distance",
        found=largest,
        expected=0.0,
        p_value=math.exp(min(bound, 0.0)) if math.isfinite(largest) else math.nan,
    )


def _mirror(largest: float, count: int) -> Comparison:
    """The same backwards: exact, for (1 + r) / 2 is Beta((n + 1) / 4, (n - 1) / 4).

    Turning n places round, n odd, leaves one where it is and exchanges the others in pairs, which
    makes (n + 1) / 2 eigenvalues of 1 and (n - 1) / 2 of -1.
    """
    more, less = (count + 1) / 4, (count - 1) / 4
    above = special.betaincc(more, less, min((1 + largest) / 2, 1.0))
    below = special.betainc(more, less, max((1 - largest) / 2, 0.0))
    return Comparison(
        what="the likeness of the network's noise to itself read backwards",
        found=largest,
        expected=0.0,
        p_value=float(np.minimum(1.0, count * (above + below))),
    )


def _twins(noise: Vector) -> Comparison:
    """How many runs of a few numbers occur twice, to within a cell.

    Of two runs of w numbers, each number of the later one falls into the cell of its like in the
    earlier one with a chance of at most EQUALITY_TOLERANCE / sqrt(2 pi), whatever came before it.
    w is such that among all pairs, and for both signs, at most `BY_CHANCE` twins are expected.
    """
    pairs = float(len(noise)) ** 2
    cell = EQUALITY_TOLERANCE / math.sqrt(2 * math.pi)
    length = min(math.ceil(math.log(pairs / BY_CHANCE) / -math.log(cell)), len(noise))
    found = math.nan
    if bool(np.isfinite(noise).all()):
        found = float(
            _twice(
                np.rint(np.clip(noise / EQUALITY_TOLERANCE, -1e18, 1e18)).astype(np.int64), length
            )
        )
    return Comparison(
        what=f"runs of {length} numbers that occur twice in the network's noise",
        found=found,
        expected=0.0,
        p_value=math.nan if math.isnan(found) else min(1.0, pairs * cell**length) if found else 1.0,
    )


def _twice(cells: NDArray[np.int64], length: int) -> int:
    """How many runs of a length were there before, as they are or all with their signs turned."""
    runs = np.lib.stride_tricks.sliding_window_view(cells, length)
    mixed = np.zeros(len(runs), dtype=np.int64)
    for column in runs.T:
        mixed = (
            mixed * HASH_MULTIPLIER + column
        )  # a run's own number, modulo 2^64; of its negative, minus it
    signs = np.where(runs[:, 0] < 0, -1, 1)
    mixed *= signs
    order = np.argsort(mixed, kind="stable")
    near = np.flatnonzero(mixed[order[1:]] == mixed[order[:-1]])
    one, other = order[near], order[near + 1]
    same = runs[one] * signs[one, None] == runs[other] * signs[other, None]
    return int(same.all(axis=1).sum())
