"""Which facts a rule may speak of at a stage, with their types; and the nearest right name."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Mapping
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from safegen.policy.facts import KNOWN_AT, NAMES_GROUP, OLD_NAMES, Counts, Fact, Scores
from safegen.policy.quotas import QUOTA_USED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from safegen.policy.facts import Group
    from safegen.schemas.decision import Stage

Kind = Any  # str, int, float, bool, a tuple of str, or a mapping to float
Families = Mapping[str, tuple[str, ...]]
SCREENS = "output.screens"
ONE_OF_MANY = "<name>"  # in the name of a group that there is once for each screen
FAITHFULNESS = "explanation.faithfulness"
# Of explanations; a new score of `safegen.explain` is a name here.
SCORES = (
    "completeness_gap",
    "effect",
    "order_gap",
    "rank_correlation",
    "interaction",
    "infidelity",
    "max_sensitivity",
    "deletion",
    "insertion",
    "stability",
)
NAMES: Mapping[object, str] = {
    str: "string",
    int: "int",
    float: "double",
    bool: "bool",
    tuple[str, ...]: "list of strings",
}
# Of facts that are mappings, the type of each of their names.
TYPE_OF_EACH: Mapping[object, Kind] = {Scores: float, Counts: int}


def families(screens: Iterable[str], quotas: Iterable[str] = ()) -> Families:
    """The names below facts that are mappings: of screens, explanations' scores, and quotas."""
    return {
        SCREENS: tuple(sorted(screens)),
        FAITHFULNESS: SCORES,
        QUOTA_USED: tuple(sorted(quotas)),
    }


def joined(several: Iterable[Families]) -> Families:
    """The names of several policies' families, for facts that all of them are asked about."""
    all_names: dict[str, set[str]] = {}
    for each in several:
        for family, names in each.items():
            all_names.setdefault(family, set()).update(names)
    return {family: tuple(sorted(names)) for family, names in all_names.items()}


def types_at(stage: Stage, more: Families) -> dict[str, Kind]:
    """The type of each fact at a stage, by dotted name, those of 0.1 included.

    Args:
        stage: when it is asked.
        more: names below the facts that are mappings.
    """
    types: dict[str, Kind] = {}
    for group in KNOWN_AT[stage]:
        for name, kind in _FIELDS[group.GROUP].items():
            if ONE_OF_MANY in name:
                types |= {name.replace(ONE_OF_MANY, each): kind for each in more.get(SCREENS, ())}
            elif kind in TYPE_OF_EACH:
                types |= {f"{name}.{each}": TYPE_OF_EACH[kind] for each in more.get(name, ())}
            else:
                types[name] = kind
    return types | {old: types[new] for old, new in OLD_NAMES.items() if new in types}


def nearest(name: str, known: Iterable[str]) -> str:
    """What was probably meant, for the end of a sentence.

    >>> nearest("request.porpose", ["request.purpose", "model.digest"])
    '; did you mean request.purpose?'
    """
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


def value_of(text: object, kind: Kind) -> Fact:
    """A fact from what a YAML file has of it, text or a list of texts.

    Raises:
        ValueError: it is none of that type.
    """
    if kind == tuple[str, ...]:
        if isinstance(text, list | tuple) and all(isinstance(each, str) for each in text):
            return tuple(text)
        raise ValueError(f"expected a list of texts, found {text!r}")
    if isinstance(text, list | tuple | dict):
        raise ValueError(f"expected one value, found {text!r}")  # noqa: TRY004 - as all that is no fact of its type
    if not isinstance(text, str):
        text = str(text).lower() if isinstance(text, bool) else str(text)
    if kind is bool:
        if text not in {"true", "false"}:
            raise ValueError(f"expected true or false, found {text!r}")
        return text == "true"
    if kind is str:
        return text
    try:
        return int(text) if kind is int else _finite(text)
    except ValueError:
        word = "a whole number" if kind is int else "a number"
        raise ValueError(f"expected {word}, found {text!r}") from None


def described(stage: Stage) -> dict[str, tuple[str, str]]:
    """The type in words and the meaning of each fact, from the groups' docstrings."""
    told: dict[str, tuple[str, str]] = {}
    for group in KNOWN_AT[stage]:
        _, _, attributes = (inspect.getdoc(group) or "").partition("\nAttributes:\n")
        meanings = dict(re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE))
        for name, kind in _FIELDS[group.GROUP].items():
            meaning = " ".join(meanings[name.removeprefix(f"{group.GROUP}.")].split())
            spelt = f"{name}.<name>" if kind in TYPE_OF_EACH else name
            told[spelt] = (NAMES[TYPE_OF_EACH.get(kind, kind)], meaning)
    return told


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _fields_of(group: type[Group]) -> dict[str, Kind]:
    """The facts of a group, by dotted name; whether they may be missing is nothing to a rule."""
    return {
        f"{group.GROUP}.{name}": _plain(kind)
        for name, kind in get_type_hints(group).items()
        if name not in {"GROUP", NAMES_GROUP}
    }


def _plain(kind: Kind) -> Kind:
    if get_origin(kind) in {Union, UnionType}:
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


_FIELDS = {group.GROUP: _fields_of(group) for groups in KNOWN_AT.values() for group in groups}
