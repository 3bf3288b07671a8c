"""Arguments of the wrong type, told in one sentence before anything is done with them.

Whoever calls from Python is told what the command line is told by its parser. The types are those
of the function's own annotations, so that none can be forgotten:

>>> @checked
... def wait(seconds: float, reason: str | None = None) -> float:
...     return seconds
>>> wait(3)
3
>>> wait("3")
Traceback (most recent call last):
safegen.errors.InputError: seconds is '3'; give a number
>>> wait(3, reason=4)
Traceback (most recent call last):
safegen.errors.InputError: reason is 4; give text or None
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import numbers
import os
import reprlib
import sys
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from safegen.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_P = ParamSpec("_P")
_R = TypeVar("_R")
_WORDS: dict[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    bytes: "bytes",
    Path: "a path",
    type(None): "None",
}
_NUMBERS: dict[object, tuple[type, ...]] = {
    int: (numbers.Integral,),
    float: (numbers.Real,),
}


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The same function, which refuses arguments that are not of its annotated types.

    NumPy's numbers count as numbers, and arrive as Python's; True and False do not. What an
    iterable yields is not looked at, but a text is no list of texts.

    Raises:
        InputError: at the call; the sentence names the argument, what it is and what it may be.
    """
    signature = inspect.signature(function)

    @functools.cache
    def hints() -> dict[str, Any]:
        return {
            name: _hint(function.__annotations__.get(name, Any), function.__globals__)
            for name, each in signature.parameters.items()
            if each.kind is not each.VAR_KEYWORD  # whoever takes these looks at each
        }

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # an argument that is missing or unknown: Python says so itself
            return function(*args, **kwargs)
        for name, value in bound.arguments.items():
            bound.arguments[name] = _required(name, value, hints().get(name, Any))
        return function(*bound.args, **bound.kwargs)

    return call


def require_types(value: DataclassInstance, wrong_choice: type[InputError] = InputError) -> None:
    """Refuse a frozen dataclass with a field that is not of its annotated type.

    To be called first in `__post_init__`. NumPy's numbers become Python's.

    Args:
        value: the dataclass.
        wrong_choice: the error for a text that is none of those to choose from.

    Raises:
        InputError: the sentence names the field, what it is and what it may be.
    """
    scope = vars(sys.modules[type(value).__module__])
    for each in dataclasses.fields(value):
        given, hint = getattr(value, each.name), _hint(each.type, scope)
        plain = _required(each.name, given, hint)
        named = [one for one in _choices(hint) if typing.get_origin(one) is Literal]
        choices = [word for one in named for word in typing.get_args(one)]
        if isinstance(given, str) and choices and given not in choices:
            listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
            raise wrong_choice(f"{each.name} is {reprlib.repr(given)}; choose {listed}")
        object.__setattr__(value, each.name, plain)


def _required(name: str, value: object, hint: Any) -> object:  # noqa: ANN401 - an annotation
    if not _fits(value, hint):
        raise InputError(f"{name} is {reprlib.repr(value)}; give {_words(hint)}")
    if isinstance(value, str) and "\0" in value and Path in _choices(hint):
        raise InputError(f"{name} is {reprlib.repr(value)}; no path holds a NUL byte")
    return _plain(value)


def _hint(annotation: Any, scope: dict[str, Any]) -> Any:  # noqa: ANN401 - an annotation
    """The type that is meant; Any where there is none, or one that only a type checker knows."""
    own = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(own, scope)["it"]
    except NameError:
        return Any


def _choices(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - an annotation
    """The types that a union allows; any other annotation alone."""
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return tuple(each for part in typing.get_args(hint) for each in _choices(part))
    return (hint,)


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - an annotation
    return any(_is_of(value, choice) for choice in _choices(hint))


def _is_of(value: object, hint: Any) -> bool:  # noqa: ANN401 - an annotation
    origin = typing.get_origin(hint)
    if hint is Any:
        fits = True
    elif hint in _NUMBERS:
        fits = isinstance(value, _NUMBERS[hint]) and not isinstance(value, bool)
    elif hint is Path:
        fits = isinstance(value, os.PathLike)
    elif origin is Literal:  # which text, the function says itself
        fits = type(value) in {type(each) for each in typing.get_args(hint)}
    elif _is_function(hint):
        fits = callable(value)
    elif _is_several(hint):
        fits = isinstance(value, origin or hint) and not isinstance(value, str | bytes)
    else:
        fits = isinstance(value, origin or hint)
    return fits


def _is_function(hint: Any) -> bool:  # noqa: ANN401 - an annotation
    return typing.get_origin(hint) is Callable or getattr(hint, "_is_protocol", False)


def _is_several(hint: Any) -> bool:  # noqa: ANN401 - an annotation
    origin = typing.get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Iterable)


def _words(hint: Any) -> str:  # noqa: ANN401 - an annotation
    """What an argument may be, once each, in the order of the annotation; None comes last."""
    choices = _choices(hint)
    told = [each for each in choices if each is not str or Path not in choices]
    told.sort(key=lambda each: each is type(None))
    return " or ".join(dict.fromkeys(map(_word, told)))


def _word(hint: Any) -> str:  # noqa: ANN401 - an annotation
    if hint in _WORDS:
        return _WORDS[hint]
    if typing.get_origin(hint) is Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    if _is_function(hint):
        return "a function"
    if _is_several(hint):
        return "several in a list"
    return f"{'an' if hint.__name__[0] in 'AEIOU' else 'a'} {hint.__name__}"


def _plain(value: object) -> object:
    """NumPy's numbers as Python's."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value
