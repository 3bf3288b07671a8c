"""Kinds of data by name. What breaks the protocol is refused when it is registered, by name.

A kind of your own:

    @safegen.modality.registry.register
    class Series:
        name = "series"
        ...

A kind that comes with safegen is a file `modality/<name>.py` whose `MODALITY` is its class. One of
an installed package is found by an entry point of the group `safegen.modalities`, named as the
kind is; loading it registers the kind, its networks (`safegen.models.registry`) and its presets
(`safegen.training.presets.registry`).
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
import threading
from dataclasses import is_dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safegen.errors import DataError, InputError

if TYPE_CHECKING:
    from safegen.modality.base import Modality
    from safegen.schemas.card import Shape

GROUP = "safegen.modalities"
# Beside kinds; a verifier needs few.
_NO_KINDS = {"base", "by_kind", "registry", "regions", "image_code", "visible_label"}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_WORDS = ("one", "many", "quantity")
# What a class must answer, with as many arguments as it is given beside itself.
_METHODS = {
    "of": 1,
    "in_words": 0,
    "to_float": 1,
    "to_stored": 1,
    "encode": 1,
    "decode": 1,
    "fingerprint": 1,
    "show": 2,
    "regions": 0,
}
_PROPERTIES = (
    "shape", "dimensions", "format", "mime", "suffix", "embeds", "digital_source_type",
)  # fmt: skip
_KNOWN: dict[str, type[Modality]] = {}
_TURN = threading.RLock()
_Class = TypeVar("_Class", bound="type[Modality]")


def register(kind: _Class) -> _Class:
    """Make a kind of data known by its name; a decorator.

    Raises:
        InputError: it breaks the protocol, or another kind has its name.
    """
    require_protocol(kind)
    with _TURN:
        other = _KNOWN.setdefault(kind.name, kind)
        ours = find_spec(f"{__package__}.{kind.name}")
    taken = other is not kind and _source(other) != _source(kind)
    if taken or (ours is not None and ours.name != kind.__module__):
        raise InputError(
            f"a kind of data is called {kind.name!r} already; give {kind.__qualname__} another name"
        )
    _KNOWN[kind.name] = kind
    return kind


def require_protocol(kind: Any) -> None:  # noqa: ANN401 - whatever somebody hands over
    """Refuse what is no kind of data.

    Raises:
        InputError: says which part is missing.
    """
    called = getattr(kind, "__qualname__", repr(kind))
    name = getattr(kind, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"modality {called} has the name {name!r}; a kind of data has a `name` of small "
            "letters, digits and underscores"
        )
    for fault in (*_said(kind), *_lacking(kind)):
        raise InputError(
            f"modality {name!r} ({called}) {fault}; see safegen.modality.base.Modality"
        )


def _said(kind: Any) -> list[str]:  # noqa: ANN401 - likewise
    """What is wrong with what the class says of itself."""
    faults = [
        f"has no text `{word}`, of which sentences are made"
        for word in _WORDS
        if not isinstance(getattr(kind, word, None), str)
    ]
    formats = getattr(kind, "formats", None)
    if not isinstance(formats, tuple) or not all(isinstance(each, str) for each in formats or [0]):
        faults.append("has no tuple `formats` of names of file formats")
    step = getattr(kind, "step", None)
    if not isinstance(step, float) or not 0 <= step < 1:
        faults.append("has no `step` from 0 to 1, by which stored values differ")
    if not isinstance(getattr(kind, "fingerprint_algorithm", 0), str | None):
        faults.append("says by `fingerprint_algorithm` neither a name nor None")
    return faults


def _lacking(kind: Any) -> list[str]:  # noqa: ANN401 - likewise
    """Methods and properties that are missing, or cannot be called as they will be."""
    fields = {each.name for each in dataclasses.fields(kind)} if is_dataclass(kind) else set()
    faults = [
        f"has no property `{each}`"
        for each in _PROPERTIES
        if getattr(kind, each, None) is None and each not in fields
    ]
    for each, count in _METHODS.items():
        method = inspect.getattr_static(kind, each, None)
        bound = isinstance(method, classmethod | staticmethod)
        method = getattr(kind, each, None)
        if not callable(method):
            faults.append(f"has no method `{each}`")
            continue
        try:
            inspect.signature(method).bind(*[None] * (count + (not bound)))
        except TypeError as error:
            faults.append(f"cannot be asked `{each}` with {count} arguments: {error}")
    return faults


def kind_named(name: str) -> type[Modality]:
    """A kind of data by its name.

    Raises:
        DataError: none is known here by that name.
        InputError: it breaks the protocol.
    """
    if name not in _KNOWN and _NAME.fullmatch(name):
        _find(name)
    if name in _KNOWN:
        return _KNOWN[name]
    raise DataError(
        f"no kind of data is called {name!r} here; install the package that offers it, or import "
        f"what registers it (known are {', '.join(known())})"
    )


def modality_of(shape: Shape, format: str | None = None) -> Modality:  # noqa: A002 - everybody's word
    """The kind of data of a shape, which a card or a package states, in a file format.

    Raises:
        DataError: its kind is not known here, or has no such shape.
        RequestError: the kind has no such format.
    """
    return kind_named(shape.kind).of(shape, format)


def modality_of_file(shape: Shape, mime: str) -> Modality:
    """The same in the format of a file's media type; in the usual one when none has it.

    Raises:
        DataError: as `modality_of`.
    """
    kind = kind_named(shape.kind)
    written = (kind.of(shape, each) for each in kind.formats)
    return next((each for each in written if each.mime == mime), kind.of(shape))


def known() -> tuple[str, ...]:
    """Names of all kinds that come with safegen or are registered."""
    _find_all_of_ours()
    return tuple(sorted(_KNOWN))


def by_fingerprint(algorithm: object) -> type[Modality] | None:
    """The kind whose files carry a soft binding of an algorithm; None when none does."""
    found = [each for each in map(kind_named, known()) if each.fingerprint_algorithm is not None]
    return next((each for each in found if each.fingerprint_algorithm == algorithm), None)


def fingerprints_to_find(kind: type[Modality], data: bytes) -> tuple[bytes, ...]:
    """Codes by which copies of an encoded file are searched for; none where there are none.

    A kind may offer several by a method of this name; without it, the code to compare is the one.

    Raises:
        DataError: the bytes are no whole file of this kind, or one that shows nothing.
    """
    several = getattr(kind, "fingerprints_to_find", None)
    if several is not None:
        return tuple(several(data))
    code = kind.fingerprint(data, to_compare=True)
    return () if code is None else (code,)


def _find(name: str) -> None:
    """Register a kind that comes with safegen, or that an installed package offers."""
    _find_ours(name)
    if name in _KNOWN:
        return
    for point in entry_points(group=GROUP, name=name):
        try:
            point.load()
        except Exception as error:
            raise InputError(
                f"the kind of data {name!r} of {point.value} cannot be loaded: {error}; mend or "
                "uninstall that package"
            ) from error


@cache
def _find_all_of_ours() -> None:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in _NO_KINDS:
            _find_ours(module.name)


def _find_ours(name: str) -> None:
    if find_spec(f"{__package__}.{name}") is not None:
        module = importlib.import_module(f"{__package__}.{name}")
        kind = getattr(module, "MODALITY", None)
        if kind is not None:
            register(kind)


def _source(kind: type) -> tuple[str, str]:
    """A class by where it is written: imported anew, it is the same kind."""
    return kind.__module__, kind.__qualname__
