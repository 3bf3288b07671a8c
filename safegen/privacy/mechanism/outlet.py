"""Where a mechanism's output passes by on its way out, in rehearsals and tests alone.

What leaves may be noted beside what it was made of (`Overheard`), or replaced by a fixed value
(`Canned`): then whatever still differs between two data sets has left by another way.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

STEP_NAME = "step"  # what a step of the engine is called here


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output of one mechanism, and what it was made of.

    Attributes:
        name: of the release, or `STEP_NAME`.
        statistic: (d,), float64, without noise.
        noisy: (d,), float64, with noise.
        sensitivity: stated L2 bound on what one unit moves the statistic.
        noise_multiplier: noise deviation over the sensitivity, as the mechanism was given it.
    """

    name: str
    statistic: Vector
    noisy: Vector
    sensitivity: float
    noise_multiplier: float


class Outlet(Protocol):
    """What every output goes through."""

    def __call__(self, output: Output) -> Vector:
        """What leaves in place of `output.noisy`, (d,), float64."""
        ...


@dataclass(slots=True)
class Overheard:
    """Lets every output through, and remembers it.

    Attributes:
        outputs: in order.
    """

    outputs: list[Output] = field(default_factory=list)

    def __call__(self, output: Output) -> Vector:
        """The output as it is."""
        self.outputs.append(output)
        return output.noisy


@dataclass(slots=True)
class Canned:
    """Gives a fixed value in place of every output: noise of no statistic, from a known stream.

    The value depends on the name, on how many of that name came before, and on the scale of its
    noise; never on a record. It looks like an output of an empty data set, so that whatever follows
    can be made of it.

    Attributes:
        outputs: what was replaced, in order.
    """

    seed: int = 0
    outputs: list[Output] = field(default_factory=list)
    _before: dict[str, int] = field(default_factory=dict)

    def __call__(self, output: Output) -> Vector:
        """The fixed value."""
        self.outputs.append(output)
        number = self._before.get(output.name, 0)
        self._before[output.name] = number + 1
        stream = np.random.default_rng([self.seed, zlib.crc32(output.name.encode()), number])
        drawn: Vector = stream.standard_normal(len(output.statistic))
        return drawn * output.noise_multiplier * output.sensitivity
