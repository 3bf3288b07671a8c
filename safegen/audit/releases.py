"""Do the releases of a run keep what is stated of them? Measured on made-up records, before it.

reach   one unit moves each statistic, before its noise, by no more than its stated sensitivity,
from the records on: with what was released earlier held fixed, however loud.
noise   what each release adds is Gaussian, of the planned multiplier times that sensitivity,
and never comes again, in the same run or in another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from safegen.audit.canaries import Comparison
from safegen.audit.repetition import repetitions
from safegen.privacy.mechanism.lattice import ARITHMETIC_ALLOWANCE, ROUNDING_ALLOWANCE, lattice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.mechanism.outlet import Output

    Vector = NDArray[np.float64]
    Outputs = Sequence[Output]


def reach(whole: Outputs, less: Outputs) -> Comparison:
    """How far one unit moved a statistic at most, in its stated sensitivities.

    Args:
        whole: what a run's mechanisms were asked about.
        less: likewise, on the same records less one unit, with the same outputs, and with the same
            draws for whoever takes part.
    """
    furthest, name = _furthest(whole, less)
    return Comparison(
        what=f"how far one unit moves {name}, in stated sensitivities",
        found=furthest,
        expected=1.0,
        p_value=float(furthest <= 1 + ROUNDING_ALLOWANCE),
    )


def mixing(whole: Outputs, less: Outputs, alone: Outputs, nobody: Outputs) -> Comparison:
    """How far one unit moved what others add to a statistic, in stated sensitivities.

    Every statistic is a sum over units. So a unit must move it by what it adds when it is there
    alone: what it moves beyond that is the others' part, which no clipping of its own bounds.

    Args:
        whole: what a run's mechanisms were asked about.
        less: likewise, without one unit, with the same outputs and draws.
        alone: with that unit and no other.
        nobody: without any.
    """
    furthest, name = _furthest(whole, less, alone, nobody)
    return Comparison(
        what=f"how far one unit moves what others add to {name}, in stated sensitivities",
        found=furthest,
        expected=0.0,
        p_value=float(furthest <= ARITHMETIC_ALLOWANCE),
    )


def _furthest(whole: Outputs, less: Outputs, *others: Outputs) -> tuple[float, str]:
    """The largest difference of statistics, less that of others, and whose it is.

    It is infinite where runs do not ask about the same statistics.
    """
    runs = (whole, less, *others)
    if len({tuple(each.name for each in run) for run in runs}) > 1:
        return math.inf, "which outputs there are"
    furthest, name = 0.0, "any statistic"
    for each in zip(*runs, strict=True):
        moved = math.inf
        if len({one.statistic.shape for one in each}) == 1:
            first, second, *rest = (one.statistic for one in each)
            own = rest[0] - rest[1] if rest else 0.0
            moved = float(np.linalg.norm(first - second - own)) / each[0].sensitivity
        if not moved <= furthest:
            furthest, name = moved, each[0].name
    return furthest, name


def noise(runs: Sequence[Outputs], plan: PrivacyPlan) -> tuple[Comparison, ...]:
    """What releases add to their statistics, purpose by purpose; nothing where there are none.

    Args:
        runs: what mechanisms gave out in runs of their own.
        plan: whose releases these are.
    """
    found = []
    whole = []
    for release in plan.releases:
        mine = [
            _residue(each, release.noise_multiplier)
            for run in runs
            for each in run
            if each.name.split(" ")[0] == release.purpose
        ]
        if not mine:
            continue
        values = np.concatenate(mine)
        whole.append(values)
        found += [_deviation(release.purpose, values), _gaussian(release.purpose, values)]
    return (*found, *(repetitions(np.concatenate(whole)) if whole else ()))


def worst(found: Iterable[Comparison]) -> Comparison:
    """The one that reached furthest."""
    return max(found, key=lambda each: math.inf if math.isnan(each.found) else each.found)


def _residue(output: Output, noise_multiplier: float) -> Vector:
    """The noise of one output over its planned deviation; normal in a sound one."""
    grid = lattice(
        clipping_norm=output.sensitivity,
        noise_multiplier=noise_multiplier,
        dimensions=len(output.statistic),
    )
    return (output.noisy - output.statistic) / grid.deviation


def _deviation(purpose: str, values: Vector) -> Comparison:
    """A chi-square test, exact but for rounding, which is a thousandth of a deviation at most."""
    squares = float(values @ values)
    tail = min(stats.chi2.cdf(squares, len(values)), stats.chi2.sf(squares, len(values)))
    return Comparison(
        what=f"the noise on {purpose}, over its planned deviation",
        found=math.sqrt(squares / len(values)),
        expected=1.0,
        p_value=float(2 * tail),
    )


def _gaussian(purpose: str, values: Vector) -> Comparison:
    distance = stats.kstest(values, "norm")
    return Comparison(
        what=f"the distance of the noise on {purpose} from a Gaussian (Kolmogorov-Smirnov)",
        found=float(distance.statistic),
        expected=0.0,
        p_value=float(distance.pvalue),
    )
