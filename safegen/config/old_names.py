"""Keyword names of 0.1 that went into configurations: they work, with a warning, until 0.3.

train("digits", out="m", steps=50)
train("digits", out="m", training=TrainingConfig(steps=50))     # what it has become
"""

from __future__ import annotations

import functools
import inspect
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from safegen.config.evaluation import EvaluationConfig
from safegen.config.privacy import PrivacyConfig
from safegen.config.training import TrainingConfig
from safegen.config.workspace import Workspace
from safegen.errors import InputError
from safegen.privacy.execution.settings import Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Old = dict[tuple[str, str], Any]  # values of old keywords, by argument and field

SORTS: dict[str, type] = {
    "privacy": PrivacyConfig,
    "training": TrainingConfig,
    "execution": Execution,
    "evaluation": EvaluationConfig,
    "workspace": Workspace,
}
OLD = {  # for each configuration: keywords of 0.1, and its fields that they are now
    "privacy": {
        "delta": "delta",
        "noise_multiplier": "noise_multiplier",
        "records_per_group": "records_per_group",
        "canaries": "canaries",
        "unsafe_seeded_noise": "unsafe_seeded_noise",
    },
    "training": {
        "model": "family",
        "steps": "steps",
        "batch": "expected_batch_size",
        "prior": "pretraining",
        "warm_start": "warm_start",
        "seed": "seed",
    },
    "execution": {"device": "device"},
    "evaluation": {
        "protocol": "protocol",
        "networks": "networks",
        "augment": "augment",
        "count": "count",
        "seeds": "seeds",
        "seed": "seed",
        "device": "device",
    },
    "workspace": {
        "keys": "keys",
        "ledger": "ledger",
        "budget": "budget",
        "time_stamps": "timestamp_url",
    },
}
LOADING = ("data_root", "size", "download", "groups")  # arguments of `load_data` now
UNTIL = "the old names go with 0.3"


def old_names(
    resume: Callable[..., Any] | None = None,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """The same function, which also takes the keywords that it took in 0.1.

    Args:
        resume: what `resume=True` of old stands for.

    Raises:
        InputError: an old keyword stands beside the configuration that it has gone into, or
            beside `resume=True`, which would have to ignore it.
    """

    def renamed(function: Callable[_P, _R]) -> Callable[_P, _R]:
        known = inspect.signature(function).parameters
        moved = {
            name: (argument, field)
            for argument, names in OLD.items()
            if argument in known
            for name, field in names.items()
            if name not in known
        }

        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given: dict[str, Any] = kwargs
            old = {moved[name]: given.pop(name) for name in list(given) if name in moved}
            resumed = resume is not None and given.pop("resume", False)
            if resumed:
                _require_undecided(old, given)
            positional = args if resume is None else _loaded(function.__name__, args, given)
            if old:
                given.update(_gathered(function.__name__, old, given))
            if resumed and resume is not None:
                warnings.warn(
                    f"resume=True is safegen.resume(out, data) now; {UNTIL}",
                    DeprecationWarning,
                    stacklevel=2,
                )
                return cast("_R", resume(given.pop("out"), *positional, **given))
            return function(*positional, **given)

        return call

    return renamed


def _require_undecided(old: _Old, given: Mapping[str, Any]) -> None:
    """Somebody who resumes with another epsilon would believe that it holds."""
    decided = [_said(*place) for place in old if place[0] in {"privacy", "training"}]
    decided += [name for name in ("epsilon", "privacy", "training") if given.get(name) is not None]
    if decided:
        raise InputError(
            f"a resumed run goes on as it was begun; leave out {', '.join(decided)}, or begin "
            "another run in a new folder"
        )


def _loaded(door: str, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, ...]:
    """The data set that old keywords of loading make of its name; arguments as they were without.

    Raises:
        InputError: there is a data set already, which they cannot change.
    """
    old = {name: given.pop(name) for name in LOADING if name in given}
    if not old:
        return args
    data = args[0] if args else given.pop("data")
    from safegen.data.groups import read_groups
    from safegen.data.sources import load

    named = isinstance(data, str | Path)
    if not named and set(old) != {"groups"}:
        raise InputError(f"{', '.join(old)} cannot change a data set; give them to its maker")
    say = f"data=safegen.load_data(..., {', '.join(f'{name}=...' for name in old)})"
    warnings.warn(
        f"{', '.join(old)} of {door} went into load_data: give {say}; {UNTIL}",
        DeprecationWarning,
        stacklevel=3,
    )
    made = load(data, **old) if named else read_groups(Path(old["groups"]), data)
    return (made, *args[1:])


def _gathered(door: str, old: _Old, beside: dict[str, Any]) -> dict[str, Any]:
    """The configurations that old keywords make; a warning says how to write them."""
    made: dict[str, dict[str, Any]] = {}
    for (argument, field), value in old.items():
        if beside.get(argument) is not None:
            name = _said(argument, field)
            raise InputError(f"{name} is given beside {argument}, where its place is; say it there")
        made.setdefault(argument, {})[field] = value
    if "privacy" in made and beside.get("epsilon") is not None:  # else it would be said twice
        made["privacy"]["epsilon"] = beside.pop("epsilon")
    now = ", ".join(
        f"{argument}=safegen.{SORTS[argument].__name__}"
        f"({', '.join(f'{field}=...' for field in fields)})"
        for argument, fields in made.items()
    )
    warnings.warn(
        f"{', '.join(_said(*place) for place in old)} of {door} went into configurations: give "
        f"{now}; {UNTIL}",
        DeprecationWarning,
        stacklevel=3,
    )
    return {argument: SORTS[argument](**fields) for argument, fields in made.items()}


def _said(argument: str, field: str) -> str:
    """The keyword of old for a configuration's field."""
    return next(name for name, now in OLD[argument].items() if now == field)
