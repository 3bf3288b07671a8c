"""Norms and sums of many units' gradients, and how far they can be from what they should be.

All errors are bounded by Higham 2002 (Accuracy and Stability of Numerical Algorithms, 2nd ed.,
chapters 3 and 4): a sum of n products, in any order, errs by at most gamma_n times the sum of their
sizes, where gamma_n = n u / (1 - n u) and u is half the spacing of numbers at 1. In 32 bits that is
useful for few terms only. So 32 bits add `BLOCK_UNITS` units, or `STRETCH_NUMBERS` squares, at a
time, and 64 bits do the rest.

What a unit can move a sum by beyond its clipped gradient comes from its own block alone, for in a
neighbour its place is empty and every other block holds the same numbers (decision 37). `bound`
adds it up; it does not depend on the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

BLOCK_UNITS = 32  # units that are added up in 32 bits
STRETCH_NUMBERS = 256  # numbers of a unit whose squares are
BLOCKS_PER_PASS = 16  # blocks at a time, which bounds memory
PART_UNITS = 512  # units whose positions are added up in 64 bits before they join the sum
# Of what positions come to without cancelling, added to a squared norm.
CANCELLATION_ALLOWANCE = 2.0**-22
# Units in the last place of 32 and of 64 bits.
FLOAT32_ROUNDOFF, FLOAT64_ROUNDOFF = 2.0**-24, 2.0**-53


def squared_norms(rows: Tensor) -> Tensor:
    """Squares of L2 norms, (n,), float64, of rows (n, d), float32."""
    whole = rows.shape[1] // STRETCH_NUMBERS * STRETCH_NUMBERS
    norms = torch.linalg.vector_norm(rows[:, :whole].reshape(len(rows), -1, STRETCH_NUMBERS), dim=2)
    rest = torch.linalg.vector_norm(rows[:, whole:], dim=1)
    squares: Tensor = norms.double().square().sum(1) + rest.double().square()
    return squares


def weighted_sum(factors: Tensor, rows: Tensor) -> Tensor:
    """The sum over n of factor (n,) times row (n, d), float32 rows; (d,), float64."""
    return _in_blocks(factors.float()[:, None], rows)[0]


def weighted_products(factors: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The sum over n of factor (n,) times left (n, o) times right (n, d), float32; (o, d)."""
    return _in_blocks(left * factors.float()[:, None], right)


def _in_blocks(left: Tensor, right: Tensor) -> Tensor:
    """The sum over n of products of left (n, o) and right (n, d), float32; (o, d), float64."""
    summed = torch.zeros(left.shape[1], right.shape[1], dtype=torch.float64, device=left.device)
    whole = len(left) // BLOCK_UNITS * BLOCK_UNITS
    for start in range(0, whole, BLOCK_UNITS * BLOCKS_PER_PASS):
        part = slice(start, min(start + BLOCK_UNITS * BLOCKS_PER_PASS, whole))
        ones = left[part].reshape(-1, BLOCK_UNITS, left.shape[1])
        others = right[part].reshape(-1, BLOCK_UNITS, right.shape[1])
        summed += torch.bmm(ones.transpose(1, 2), others).sum(0, dtype=torch.float64)
    if whole < len(left):
        summed += (left[whole:].T @ right[whole:]).double()
    return summed


def parts(units: int) -> Iterator[slice]:
    """Slices of `PART_UNITS` units."""
    for start in range(0, units, PART_UNITS):
        yield slice(start, min(start + PART_UNITS, units))


def gamma(terms: float, unit: float) -> float:
    """Higham's bound on the relative error of a sum of products (lemma 3.1)."""
    return terms * unit / (1 - terms * unit)


def bound(positions: int) -> float:
    """How much further than C a unit can move a step's sum, over C.

    Args:
        positions: of a unit, at most, in a layer whose positions 64 bits add up; below its inputs
            and its outputs.
    """
    # Clipped by a norm that came out too small.
    norms = gamma(STRETCH_NUMBERS + 2, FLOAT32_ROUNDOFF) + 2 * FLOAT32_ROUNDOFF
    blocks = 2 * gamma(BLOCK_UNITS + 2, FLOAT32_ROUNDOFF) * BLOCK_UNITS * (1 + norms)
    gross: float = CANCELLATION_ALLOWANCE**-0.5  # at most so many C, or the norm would have told
    products = 2 * gamma(PART_UNITS * positions + 4, FLOAT64_ROUNDOFF) * PART_UNITS * gross
    return norms + blocks + products
