"""Noise on an integer lattice, so that no rounding of the sum can be told from the noise.

A clipped sum S is rounded to multiples of a spacing g, Gaussian noise N is rounded to multiples of
g too, and both are added as integers. Because gZ, Z = round(S / g), is on the lattice already,

    gZ + g round(N / g) = g round((gZ + N) / g),

which is rounding applied to the ideal Gaussian mechanism on gZ: post-processing. What that
mechanism must hide is how far one unit moves gZ: by its clipped gradient, at most C; by rounding
each of d coordinates by up to g/2 on either side, together at most g sqrt(d), once for each process
that rounds a sum of its own; and by what arithmetic does to the sum, for which an allowance is set
aside (`arithmetic.bound`). The noise is scaled to the sum of the three, so that the certificate's
noise multiplier holds for it (docs/privacy.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

ROUNDING_ALLOWANCE = 2.0**-10  # of the clipping norm: what rounding to the lattice may add
ARITHMETIC_ALLOWANCE = 2.0**-10  # of the clipping norm: set aside for the sums' own arithmetic
# Of a sum's points: float64 holds each integer up to 2^53, with its noise, too.
MAX_LATTICE_POINTS = 2.0**52


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Where a sum of clipped gradients is rounded to, and how much noise hides one unit there.

    Attributes:
        spacing: g, a power of two, so that dividing by it is exact.
        sensitivity: how far one unit may move the rounded sum, in L2.
        deviation: of the Gaussian noise, before it is rounded.
        margin: sensitivity over clipping norm, minus 1.
    """

    spacing: float
    sensitivity: float
    deviation: float
    margin: float

    def points(self, summed: NDArray[np.float64]) -> Integers:
        """The sum's lattice points, exact integers.

        Args:
            summed: (d,), float64.

        Dividing by a power of two is exact, and so is rounding to the nearest integer: adding a
        half first is not, for it is itself rounded.

        Raises:
            OverflowError: a value is not finite, or too large for the lattice.
        """
        scaled = np.rint(summed / self.spacing)
        if not bool((np.abs(scaled) < MAX_LATTICE_POINTS).all()):  # false for NaN, too
            raise OverflowError("a sum of gradients is not finite, or too large for its lattice")
        return scaled.astype(np.int64)

    def noise(self, dimensions: int, generator: np.random.Generator) -> Integers:
        """Rounded Gaussian noise (dimensions,), in lattice points."""
        drawn = generator.standard_normal(dimensions)
        drawn *= self.deviation / self.spacing
        drawn += 0.5
        return np.floor(drawn, out=drawn).astype(np.int64)

    def values(self, points: Integers) -> NDArray[np.float64]:
        """What lattice points stand for, (d,), float64."""
        return points.astype(np.float64) * self.spacing


def lattice(
    *, clipping_norm: float, noise_multiplier: float, dimensions: int, parts: int = 1
) -> Lattice:
    """The lattice for a sum of clipped gradients.

    Args:
        clipping_norm: C, the L2 bound on one unit's gradient.
        noise_multiplier: noise deviation over sensitivity, as the accountant takes it.
        dimensions: d, numbers in a gradient.
        parts: sums that are rounded by themselves before they are added, one a process.

    >>> grid = lattice(clipping_norm=1.0, noise_multiplier=2.0, dimensions=10_000)
    >>> grid.spacing == 2**-17, round(grid.margin, 5), round(grid.deviation, 4)
    (True, 0.00174, 2.0035)
    """
    rounded = parts * math.sqrt(dimensions)
    spacing = 2.0 ** math.floor(math.log2(ROUNDING_ALLOWANCE * clipping_norm / rounded))
    margin = spacing * rounded / clipping_norm + ARITHMETIC_ALLOWANCE
    sensitivity = clipping_norm * (1 + margin)
    return Lattice(
        spacing=spacing,
        sensitivity=sensitivity,
        deviation=noise_multiplier * sensitivity,
        margin=margin,
    )
