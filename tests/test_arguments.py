"""What a caller from Python gives that is of the wrong type: one sentence, before any work."""

import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import safegen
from safegen.arguments import checked
from safegen.errors import InputError
from safegen.pipeline.audit import audit_package, audit_run
from safegen.pipeline.explain import made_again, read_explained
from safegen.pipeline.generate.model import Model
from safegen.pipeline.generate.outputs import Release
from safegen.progress import Progress, silent

EXPORTED = [
    getattr(safegen, name) for name in safegen.__all__ if inspect.isfunction(getattr(safegen, name))
]
METHODS = [Model.generate, Model.unsafe_sample, Release.save]
BEHIND_COMMANDS = [audit_package, audit_run, read_explained, made_again]
DOORS = {each.__qualname__: each for each in (*EXPORTED, *METHODS, *BEHIND_COMMANDS)}
DOORS["load_data"] = safegen.load_data
DOORS["load"] = safegen.load


def parameters():
    for name, door in DOORS.items():
        for parameter in inspect.signature(door).parameters.values():
            if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                yield pytest.param(door, parameter.name, id=f"{name}-{parameter.name}")


def hints(door):
    asked = {name: hint for name, hint in door.__annotations__.items() if name != "return"}
    return typing.get_type_hints(
        types.SimpleNamespace(__annotations__=asked), vars(sys.modules[door.__module__])
    )


def called(door, name, value):
    """Call with one argument; those that must be given are of a type that passes."""
    given = {}
    for parameter in inspect.signature(door).parameters.values():
        if parameter.name == "self" or parameter.kind is parameter.VAR_KEYWORD:
            given |= {"self": None} if parameter.name == "self" else {}
        elif parameter.default is parameter.empty and parameter.name != name:
            given[parameter.name] = fitting(hints(door)[parameter.name])
    return door(**given, **{name: value})


def fitting(hint):
    """Something of a type; nothing is done with it."""
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)[0]
    for choice in typing.get_args(hint) or (hint,):
        if choice in {str, int, float, bool}:
            return choice()
        if choice is Path:
            return Path("nowhere")
    if typing.get_origin(hint) is not None and issubclass(typing.get_origin(hint), Iterable):
        return []
    return hint.__new__(hint)


@pytest.mark.parametrize(("door", "name"), list(parameters()))
def test_every_public_argument_is_checked(door, name):
    for value in (object(), 1j):  # of no type that anything takes
        with pytest.raises(InputError, match=f"^{name} is .*; give ") as told:
            called(door, name, value)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("door", "name", "value", "sentence"),
    [
        (Model.generate, "purpose", None, "purpose is None; give text"),
        (Model.generate, "seed", "7", "seed is '7'; give a whole number or None"),
        (Model.generate, "count", 2.0, "count is 2.0; give a whole number"),
        (Model.generate, "count", True, "count is True; give a whole number"),
        (Model.generate, "label", 3.5, "label is 3.5; give a whole number or text or None"),
        (Model.generate, "label", True, "label is True; give a whole number or text or None"),
        (Model.generate, "name", 3, "name is 3; give text or a function"),
        (Model.generate, "progress", 1, "progress is 1; give a function"),
        (Model.unsafe_sample, "reason", None, "reason is None; give text"),
        (Release.save, "folder", None, "folder is None; give a path"),
        (safegen.load, "workspace", "keys", "workspace is 'keys'; give a Workspace or None"),
        (safegen.load, "policy", 3, "policy is 3; give a path or several in a list"),
        (safegen.train, "epsilon", "8", "epsilon is '8'; give a number or None"),
        (safegen.train, "training", {}, "training is {}; give a TrainingConfig or None"),
        (safegen.resume, "execution", 1, "execution is 1; give an Execution or None"),
        (safegen.verify, "file", 7, "file is 7; give a path or bytes"),
        (safegen.verify, "trust", 7, "trust is 7; give a path or several in a list or None"),
        (safegen.verify_tree, "paths", "out", "paths is 'out'; give several in a list"),
        (safegen.verify_tree, "jobs", "2", "jobs is '2'; give a whole number or None"),
        (safegen.sign, "source", 1, "source is 1; give text or None"),
        (safegen.sign, "stamp_required", "no", "stamp_required is 'no'; give True or False"),
        (safegen.evaluate, "evaluation", {}, "evaluation is {}; give an EvaluationConfig or None"),
        (safegen.evaluate, "samples", {}, "samples is {}; give a Samples or None"),
        (audit_package, "members", "x", "members is 'x'; give a DataSet or None"),
        (read_explained, "path", None, "path is None; give a path"),
    ],
)
def test_the_sentence(door, name, value, sentence):
    with pytest.raises(InputError) as told:
        called(door, name, value)
    assert str(told.value) == sentence


@pytest.mark.parametrize("door", [safegen.verify, safegen.load, safegen.sign, Release.save])
def test_a_path_with_a_nul_byte(door):
    name = next(each for each in inspect.signature(door).parameters if each != "self")
    with pytest.raises(InputError, match=r"no path holds a NUL byte"):
        called(door, name, "a\0b")


def test_a_missing_or_unknown_argument_is_pythons_own_business(model):
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'purpose'"):
        model.generate(1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'porpose'"):
        model.generate(1, purpose="x", porpose="y")


def test_numpys_numbers_are_numbers(model):
    release = model.generate(np.int64(1), purpose="x", label=np.uint8(3), seed=np.int32(5))
    request = release.outputs[0].receipt.request
    assert (request.label, request.seed, request.count) == (3, 5, 1)
    assert all(type(each) is int for each in (request.label, request.seed, request.count))


# The checker itself


@checked
def door(  # noqa: PLR0917 - one parameter of each kind
    a: int,
    b: float = 1.0,
    c: str | Path = "x",
    d: Literal["p", "q"] = "p",
    e: Sequence[str] | None = None,
    f: Callable[[int], int] | None = None,
    g: Progress = silent,
    h: Any = None,
    i: np.ndarray | None = None,
) -> tuple[object, ...]:
    return a, b, c, d, e, f, g, h, i


@pytest.mark.parametrize(
    "given",
    [
        {"a": 1},
        {"a": -3, "b": 2, "c": Path("y"), "d": "not ours, and the function says so"},
        {"a": np.int8(1), "b": np.float32(0.5)},
        {"a": 1, "e": ["x"], "f": abs, "g": print, "h": object()},
        {"a": 1, "e": ("x",), "i": np.zeros(2)},
    ],
)
def test_what_fits_arrives_as_it_is(given):
    arrived = dict(zip("abcdefghi", door(**given), strict=True))
    for name, value in given.items():
        assert arrived[name] is value or arrived[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [("a", 1.0), ("a", "1"), ("a", None), ("a", np.float32(1)), ("b", True), ("b", "1"),
     ("c", 3), ("c", b"x"), ("d", 3), ("e", "text"), ("e", {"a"}), ("f", 3), ("g", None),
     ("i", [1])],
)  # fmt: skip
def test_what_does_not_fit(name, value):
    with pytest.raises(InputError, match=f"^{name} is "):
        door(**{"a": 1, name: value})


def test_a_long_value_is_shortened():
    with pytest.raises(InputError) as told:
        door(["x" * 1000] * 1000)
    assert len(str(told.value)) < 300


def test_the_function_keeps_its_name_signature_and_place():
    assert door.__name__ == "door"
    assert next(iter(inspect.signature(safegen.train).parameters)) == "data"
    assert "Raises:" in inspect.getdoc(safegen.train)
