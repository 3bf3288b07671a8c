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

import functools
import inspect
import numbers
import os
import reprlib
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from safegen.errors import InputError

_P = ParamSpec("_P")
_R = TypeVar("_R")
_WORDS: dict[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
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
        return {name: _hint(function, name) for name in signature.parameters}

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # an argument that is missing or unknown: Python says so itself
            return function(*args, **kwargs)
        for name, value in bound.arguments.items():
            hint = hints()[name]
            if not _fits(value, hint):
                raise InputError(f"{name} is {reprlib.repr(value)}; give {_words(hint)}")
            if isinstance(value, str) and "\0" in value and Path in _choices(hint):
                raise InputError(f"{name} is {reprlib.repr(value)}; no path holds a NUL byte")
            bound.arguments[name] = _plain(value)
        return function(*bound.args, **bound.kwargs)

    return call


def _hint(function: Callable[..., object], name: str) -> Any:  # noqa: ANN401 - an annotation
    """The type of an argument; Any where it has none, or one that only a type checker knows."""
    own = types.SimpleNamespace(__annotations__={name: function.__annotations__.get(name, Any)})
    try:
        return typing.get_type_hints(own, function.__globals__)[name]
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
    return f"a {hint.__name__}"


def _plain(value: object) -> object:
    """NumPy's numbers as Python's."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value
