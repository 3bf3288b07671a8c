"""Where a law holds, and where a deployment is: whether the two meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WORLD = "world"
EU = "EU"
MEMBERS = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 - read as one
)


def meet(holds: Iterable[str], deployed: Iterable[str]) -> bool:
    """Whether a law of some places concerns a deployment; a country meets each of its parts.

    >>> meet(["EU"], ["DE"]), meet(["US-CA"], ["US"]), meet(["US-CA"], ["US-WA"])
    (True, True, False)
    """
    deployed = tuple(deployed)
    return any(_same(one, other) for one in holds for other in deployed)


def _same(one: str, other: str) -> bool:
    if WORLD in {one, other} or one == other:
        return True
    if EU in {one, other}:
        return (one if other == EU else other).split("-")[0] in MEMBERS
    return one.startswith(f"{other}-") or other.startswith(f"{one}-")
