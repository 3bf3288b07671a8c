"""What a room makes for each kind of data, by the kind's name: its networks, its presets.

That of a kind that comes with safegen is a constant in a module of the kind's name, in the room;
that of a kind of your own is registered beside the kind (`safegen.modality.registry`).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Generic, TypeVar

from safegen.errors import InputError, PlanError
from safegen.modality.registry import kind_named

if TYPE_CHECKING:
    from collections.abc import Callable

_Value = TypeVar("_Value")


@dataclass(slots=True, kw_only=True)
class ByKind(Generic[_Value]):
    """Values of one class, one for each kind of data.

    Attributes:
        name: what they are, in the plural: `networks`. The constant of a kind that comes with
            safegen is this name in capitals.
        value: their class, in the module `registry` of the room.
        package: the room.
        require: refuses a value that cannot be used, and says why.
    """

    name: str
    value: type[_Value]
    package: str
    require: Callable[[str, _Value], None]
    _known: dict[str, _Value] = field(default_factory=dict)

    def register(self, kind: str, value: _Value) -> None:
        """Make a kind's value known.

        Raises:
            DataError: the kind itself is not known; register it first.
            InputError: it is no such value, or the kind has another already.
        """
        kind_named(kind)
        if not isinstance(value, self.value):
            raise InputError(
                f"the {self.name} of {kind!r} are a {type(value).__name__}; give a "
                f"{self.package}.registry.{self.value.__name__}"
            )
        self.require(kind, value)
        if self._known.setdefault(kind, value) != value:
            raise InputError(
                f"the kind of data {kind!r} has {self.name} already; name another kind"
            )

    def of(self, kind: str) -> _Value:
        """A kind's value.

        Raises:
            DataError: the kind is not known.
            PlanError: it has none.
        """
        kind_named(kind)
        if kind not in self._known and find_spec(f"{self.package}.{kind}") is not None:
            module = importlib.import_module(f"{self.package}.{kind}")
            if hasattr(module, self.name.upper()):
                self.register(kind, getattr(module, self.name.upper()))
        if kind not in self._known:
            raise PlanError(
                f"the kind of data {kind!r} has no {self.name}; register them with "
                f"{self.package}.registry.register"
            )
        return self._known[kind]

    def known(self) -> tuple[_Value, ...]:
        """Those of all kinds that were asked for or registered."""
        return tuple(self._known.values())
