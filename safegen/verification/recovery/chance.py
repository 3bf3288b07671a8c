"""How likely a foreign picture is as near to some row of a log as a copy is.

Not the binomial: pictures of one kind look alike, and of two shirts a dozen bits may agree more
than chance has it. What is used was counted. Each of 1,500 pictures of Fashion-MNIST and as many of
MNIST, 28 pixels wide, was searched for among 30,000 others of the same set, all of it real, with
the very search that is used here (`tests/benchmarks/test_recovery.py` counts again). The set with
more pairs at a distance counts. Larger pictures differ more, so that for them this is too careful.

Among n rows, the probability is at most n times that of one (Boole), however alike the rows are.
The assumption is that the foreign picture resembles the rows no more than pictures of such a set
resemble each other.
"""

from __future__ import annotations

PAIRS = 45_000_000
# Pairs that differ in so many bits or fewer; half of a code's bits are set, so numbers are even.
AS_NEAR = {0: 1, 2: 60, 4: 720, 6: 4_520, 8: 18_934, 10: 58_080, 12: 148_885, 14: 341_745}
UNSEEN = 3  # added to each count: with none seen, 3 is the bound of 95% confidence (rule of three)
FURTHEST = max(AS_NEAR)  # bits at which nothing can be told of any log
LIKELY = 0.01  # a greater probability recovers nothing


def error(distance: int, rows: int) -> float:
    """The probability, at most, that a foreign picture is as near to any of some rows.

    >>> error(0, 1000)
    8.888888888888889e-05
    >>> error(14, 1000)
    1.0
    """
    counted = next((count for bits, count in AS_NEAR.items() if bits >= distance), PAIRS)
    return min(1.0, rows * (counted + UNSEEN) / PAIRS)
