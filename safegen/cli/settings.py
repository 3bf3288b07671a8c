"""Options of commands, made from what is described elsewhere.

A configuration's fields, or a function's arguments, become options: their names, types and defaults
as they stand there, their texts from its docstring. A command says which of them it takes:

    @with_settings(privacy=Settings(PrivacyConfig, "Privacy"))
    def train(out: ..., *, privacy: PrivacyConfig) -> None: ...

Of a configuration the command receives a value; of a function, the function with what was given.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from safegen.option import NoOption, Spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_CHOICE = 24  # characters of a list of choices that still fit beside a text


@dataclass(frozen=True, slots=True)
class Settings:
    """Options that belong together.

    Attributes:
        of: a configuration's class, or a function.
        panel: what they stand under in `--help`.
        only: their names; all by default.
        leaving: names that the command asks for in another way.
    """

    of: Callable[..., Any]
    panel: str
    only: tuple[str, ...] | None = None
    leaving: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Of the fields or arguments that become options."""
        return tuple(
            name
            for name, hint in _hints(self.of).items()
            if not _marks(hint, NoOption)
            and (name in self.only if self.only is not None else name not in self.leaving)
        )

    def parameters(self) -> Iterator[inspect.Parameter]:
        """As typer reads them."""
        hints, texts = _hints(self.of), texts_of(self.of)
        known = inspect.signature(self.of).parameters
        for name in self.names():
            yield inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=known[name].default,
                annotation=_option(hints[name], texts[name], self.panel),
            )

    def made(self, given: dict[str, Any]) -> object:
        """The configuration, or the function that knows them; they are taken out of `given`."""
        own = {name: given.pop(name) for name in self.names()}
        return self.of(**own) if isinstance(self.of, type) else functools.partial(self.of, **own)


def with_settings(**groups: Settings) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose parameters of these names become the options of their settings."""

    def made(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters
        parameters: list[inspect.Parameter] = []
        for name, parameter in own.items():
            if name in groups:
                parameters += groups[name].parameters()
            else:
                hint = _hint(command.__annotations__[name], command)
                kind = inspect.Parameter.KEYWORD_ONLY
                parameters.append(parameter.replace(annotation=hint, kind=kind))

        @functools.wraps(command)
        def run(**given: object) -> None:
            values = {name: group.made(given) for name, group in groups.items()}
            command(**given, **values)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        del run.__wrapped__  # whose parameters are others
        return run

    return made


def given_in(context: typer.Context, *groups: Settings) -> list[str]:
    """Options of these settings that somebody typed, as they are spelled."""
    return given_names(context, *(name for group in groups for name in group.names()))


def given_names(context: typer.Context, *names: str) -> list[str]:
    """Options of these parameters that somebody typed, as they are spelled."""
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names
        and str(context.get_parameter_source(parameter.name)).endswith("COMMANDLINE")
    ]


def option_of(of: Callable[..., Any], name: str) -> Any:  # noqa: ANN401 - an annotation
    """The annotation of one option, for a command that takes no more of its settings."""
    return _option(_hints(of)[name], texts_of(of)[name], None)


def texts_of(of: Callable[..., Any]) -> dict[str, str]:
    """What a docstring says of each field or argument, as sentences.

    >>> def wait(seconds: float, reason: str = "") -> None:
    ...     '''Wait.
    ...
    ...     Args:
    ...         seconds: how long; at
    ...             least 1.
    ...         reason: `none` by default.
    ...     '''
    >>> texts_of(wait)
    {'seconds': 'How long; at least 1.', 'reason': 'none by default.'}
    """
    section = re.search(
        r"^(?:Args|Attributes):\n((?:    .*\n?|\n)+)", inspect.getdoc(of) or "", re.MULTILINE
    )
    entries = re.findall(
        r"^    (\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE
    )
    return {name: _sentence(text) for name, text in entries}


def _sentence(text: str) -> str:
    """One line, with a capital unless it begins with something to type."""
    line = " ".join(text.split())
    if not line.startswith("`"):
        line = line[0].upper() + line[1:]
    return line.replace("`", "")


def _option(hint: Any, text: str, panel: str | None) -> Any:  # noqa: ANN401 - an annotation
    """A type that typer knows, with the option's spelling and text."""
    plain, several = _typed(hint)
    (spelled,) = _marks(hint, Spelled) or (Spelled(),)
    if plain == list[str] | None:
        text = f"{text} Repeatable."
    return Annotated[
        plain,
        typer.Option(
            *([spelled.option] if spelled.option else []),
            metavar=spelled.value or several,
            help=text,
            rich_help_panel=panel,
        ),
    ]


def _typed(hint: Any) -> tuple[Any, str | None]:  # noqa: ANN401 - an annotation
    """What a text is parsed as, and what stands for it; a configuration refuses a wrong choice."""
    bare = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
    union = typing.get_origin(bare) in {typing.Union, types.UnionType}
    choices = typing.get_args(bare) if union else (bare,)
    missing = type(None) in choices
    kind = next(each for each in choices if each is not type(None))
    shown = None
    if any(typing.get_origin(each) in {Sequence, Iterable} for each in choices):
        kind = list[str]
    if typing.get_origin(kind) is Literal:
        shown = "|".join(typing.get_args(kind))
        kind, shown = str, shown if len(shown) <= LONGEST_CHOICE else None
    return (kind | None if missing else kind), shown


def _marks(hint: Any, sort: type) -> list[Any]:  # noqa: ANN401 - an annotation
    return [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, sort)]


@functools.cache
def _hints(of: Callable[..., Any]) -> dict[str, Any]:
    """Types of a configuration's fields or a function's arguments, with what is marked on them."""
    known = inspect.signature(of).parameters
    return {name: _hint(of.__annotations__[name], of) for name in known}


def _hint(annotation: object, of: Callable[..., Any]) -> Any:  # noqa: ANN401 - an annotation
    """An annotation's type; a name that only type checkers know stands for anything."""
    scope = _Scope(vars(builtins) | vars(sys.modules[of.__module__]))
    own = types.SimpleNamespace(__annotations__={"it": annotation})
    return typing.get_type_hints(own, {}, scope, include_extras=True)["it"]


class _Scope(dict[str, Any]):
    """Names of a module; those that it imports for type checkers alone are any object's."""

    def __missing__(self, name: str) -> type:
        return object
