"""Whether a screen holds records: then it has spent privacy, or would, without a budget."""

from __future__ import annotations

from collections import deque
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LOOKED_AT = 10_000  # objects; a screen that holds more is looked at so far
_RECORD_ROOMS = ("safegen.data.", "safegen.privacy.mechanism.")


def records_held(screen: object) -> str | None:
    """The type of the records that a screen holds, however deep; None where none are found.

    Its attributes and its class's are looked at, what its functions have enclosed, what those of
    its own module speak of, and what lies in containers. Whether an array was once made of records,
    nobody can see.
    """
    home = type(screen).__module__
    seen: set[int] = set()
    waiting: deque[Any] = deque([screen])
    kept = []  # so that no two objects have the same id meanwhile
    while waiting and len(seen) < MAX_LOOKED_AT:
        held = waiting.popleft()
        if id(held) in seen:
            continue
        seen.add(id(held))
        kept.append(held)
        if not isinstance(held, type) and type(held).__module__.startswith(_RECORD_ROOMS):
            return type(held).__qualname__
        waiting.extend(_within(held, home))
    return None


def _within(held: Any, home: str) -> Iterator[Any]:  # noqa: ANN401 - whatever a screen holds
    if isinstance(held, dict):
        yield from list(held.values())
    elif isinstance(held, list | tuple | set | frozenset | deque):
        yield from list(held)
    elif isinstance(held, MethodType):
        yield held.__self__
        yield held.__func__
    elif isinstance(held, FunctionType):
        yield from _of_function(held, home)
    elif isinstance(held, type):
        if held.__module__ == home:
            yield from list(vars(held).values())
    else:
        inside = getattr(held, "__dict__", None)
        if isinstance(inside, dict):
            yield inside
        yield from type(held).__mro__


def _of_function(held: FunctionType, home: str) -> Iterator[Any]:
    yield from held.__defaults__ or ()
    yield from (held.__kwdefaults__ or {}).values()
    for cell in held.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # nothing is in it yet
            continue
    if held.__module__ == home:
        known = held.__globals__
        yield from [known[name] for name in held.__code__.co_names if name in known]
