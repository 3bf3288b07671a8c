"""Does anything of the records leave by another way than through a mechanism?

When every mechanism gives out a fixed value instead of its own (`outlet.Canned`), whatever a run
leaves is made of that value and of what is public. So two runs, on records that differ in any
way, must leave the same, byte for byte: package, card, certificate, logs, checkpoints. Whatever
differs has leaked past the mechanisms, however little it tells (non-interference: Goguen & Meseguer
1982).

The check is exact: it has no false alarms, and needs no neighbours. It does not see how long a run
took, nor which units a step drew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safegen.audit.canaries import Comparison

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Trace = Mapping[str, bytes]

# What is declared to differ between two runs, and why that tells nothing of a record. Nothing else
# may: whoever adds a line here gives a reason.
DECLARED = {
    "data_digest": "names the records to the budget, in a checkpoint that is as secret as they are",
    "grouping": "names the groups to the budget, in a checkpoint that is as secret as they are",
    "digest": "a commitment whose salt is the owner's; `card.published` replaces the plain digest",
    "token": "names the run to the budget; random",
    "release_key": "of the releases' noise; random, and secret",
    "created": "the time of day",
    "lower_bound": "what guessing the canaries' coins proved; of no record",
}


def declared_out(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """JSON without what is declared to differ."""
    if isinstance(value, dict):
        return {k: declared_out(v) for k, v in value.items() if k not in DECLARED}
    if isinstance(value, list):
        return [declared_out(each) for each in value]
    return value


def plain(text: str | bytes) -> bytes:
    """A JSON text without what is declared to differ.

    >>> plain('{"count": 3, "created": "2026-01-01"}')
    b'{"count": 3}'
    """
    return json.dumps(declared_out(json.loads(text))).encode()


def differing(one: Trace, other: Trace) -> tuple[str, ...]:
    """Names of what two runs left differently, or what one left and the other did not.

    >>> differing({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"3", "c": b""})
    ('b', 'c')
    """
    return tuple(name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name))


def interference(traces: Sequence[Trace]) -> Comparison:
    """How many parts of what runs left depend on their records; none in a sound one.

    Args:
        traces: of runs that differ in their records alone, under fixed outputs.
    """
    found = dict.fromkeys(name for other in traces[1:] for name in differing(traces[0], other))
    named = ", ".join(list(found)[:3]) + (", ..." if len(found) > 3 else "")
    return Comparison(
        what=f"what depends on the records although every mechanism's output was fixed ({named})"
        if found
        else "what depends on the records although every mechanism's output was fixed",
        found=float(len(found)),
        expected=0.0,
        p_value=float(not found),
    )
