"""Screens by name. Whatever breaks the protocol is refused here, by name, and not when it is used.

A screen of your own, for rules to judge as `output.screens.sharpness`:

    @safegen.screens.registry.register
    class Sharpness:
        name = "sharpness"
        def measure(self, batch): ...

An installed package offers screens, also to the command line, by entry points of the group
`safegen.screens`, each of which names such a class.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import threading
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safegen.errors import InputError
from safegen.screens.records import records_held

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from safegen.screens.screen import Screen

GROUP = "safegen.screens"
_READY = Path(__file__).parent / "ready"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What CEL keeps for itself cannot be a part of a fact's name.
_RESERVED = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for"),
        *("function", "if", "import", "let", "loop", "package", "namespace", "return", "var"),
        *("void", "while"),
    }
)
_KNOWN: dict[str, Screen] = {}
_TURN = threading.RLock()
_Class = TypeVar("_Class", bound="type[Screen]")


def register(screen: _Class) -> _Class:
    """Make a screen's score a fact; a decorator for a class that needs no arguments.

    Raises:
        InputError: it breaks the protocol, or another screen has its name.
    """
    try:
        made = screen()
    except Exception as error:
        raise InputError(
            f"screen {screen.__qualname__} cannot be registered: making it raised "
            f"{type(error).__name__}: {error}"
        ) from error
    require_protocol(made)
    with _TURN:
        other = _KNOWN.setdefault(made.name, made)
    if type(other) is not screen and _source(type(other)) != _source(screen):
        raise InputError(
            f"screen {made.name!r} is registered already, by {type(other).__module__}; give "
            f"{screen.__qualname__} another name"
        )
    return screen


def require_protocol(screen: Any) -> None:  # noqa: ANN401 - whatever somebody hands over
    """Refuse what is no screen.

    Raises:
        InputError: says which part is missing, or that it holds records.
    """
    name, kind = getattr(screen, "name", None), type(screen).__qualname__
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _RESERVED:
        raise InputError(
            f"screen {kind} has the name {name!r}; a screen has a `name` of small letters, digits "
            "and underscores, as rules will write it"
        )
    measure = getattr(screen, "measure", None)
    if not callable(measure):
        raise InputError(f"screen {name!r} ({kind}) has no method measure(batch)")
    try:
        inspect.signature(measure).bind(None)
    except TypeError as error:
        raise InputError(
            f"screen {name!r} ({kind}): measure must take one batch, and does not: {error}"
        ) from error
    held = "it says so itself" if getattr(screen, "reads_records", False) else records_held(screen)
    if held is not None:
        raise InputError(
            f"screen {name!r} ({kind}) holds records ({held}); what reads records spends privacy, "
            "and a screen has no budget: give it released statistics"
        )


def registered() -> Mapping[str, Screen]:
    """All screens that are known, by name.

    Raises:
        InputError: an installed package offers one that breaks the protocol.
    """
    _discover()
    return dict(sorted(_KNOWN.items()))


def known_with(passed: Iterable[Screen]) -> dict[str, Screen]:
    """Screens that are registered, and those that were passed beside them.

    Raises:
        InputError: one of these breaks the protocol, or has the name of another.
    """
    known = dict(registered())
    for screen in passed:
        require_protocol(screen)
        other = known.setdefault(screen.name, screen)
        if other is not screen:
            raise InputError(
                f"two screens are named {screen.name!r}: one by {type(other).__module__}, one by "
                f"{type(screen).__module__}; give one of them another name"
            )
    return known


@cache
def _discover() -> None:
    """Register what lies in `ready/` and what installed packages offer."""
    for module in pkgutil.iter_modules([str(_READY)], f"{__package__}.{_READY.name}."):
        importlib.import_module(module.name)
    for point in entry_points(group=GROUP):
        try:
            offered = point.load()
        except Exception as error:
            raise InputError(
                f"screen {point.name!r} of {point.value} cannot be loaded: {error}; mend or "
                "uninstall that package"
            ) from error
        register(offered)


def _source(kind: type) -> tuple[str, str]:
    """A class by where it is written: imported anew, it is the same screen."""
    return kind.__module__, kind.__qualname__
