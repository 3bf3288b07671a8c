"""Conditions in CEL, the Common Expression Language; the only importer of its evaluator.

Three traps of cel-expr-python 0.1.3 end here. An evaluation that fails does not raise: it returns
an ERROR value whose content is a non-empty, truthy text, so only `True` itself is accepted. One
that runs too long does raise. And a comment hides whatever follows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel

from safegen.policy.vocabulary import nearest, types_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from safegen.policy.facts import Fact
    from safegen.policy.vocabulary import Families, Kind
    from safegen.schemas.decision import Stage

MAX_LETTERS = 2_000
MAX_LOOPS = 2  # each walks a list; lists are as long as an expression at most
_LOOP = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")
_TYPES = {
    str: cel.Type.STRING,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    bool: cel.Type.BOOL,
    tuple[str, ...]: cel.Type.List(cel.Type.STRING),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A compiled condition.

    Attributes:
        text: as it was written.
        facts: which it speaks of.
    """

    text: str
    facts: frozenset[str]
    _compiled: Any

    def evaluate(self, activation: Any) -> bool | str:  # noqa: ANN401 - CEL's own
        """True, False, or why there is no answer, in words."""
        try:
            value = self._compiled.eval(activation).value()
        except RuntimeError as error:
            return str(error).split("\n", maxsplit=1)[0]
        return value if value is True or value is False else str(value)


def compile_expression(text: str, stage: Stage, more: Families) -> Expression:
    """Compile a condition against the facts of a stage.

    Args:
        text: an expression of type bool.
        stage: when it is asked.
        more: names below the facts that are mappings.

    Raises:
        ValueError: it has a typo, names no known fact, is no condition, or could run long.
    """
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", text)
    if "//" in bare:
        raise ValueError("a comment (//) hides whatever follows it; leave it out")
    if len(text) > MAX_LETTERS or len(_LOOP.findall(bare)) > MAX_LOOPS:
        raise ValueError(
            f"it could run long; an expression has {MAX_LETTERS:,} letters and {MAX_LOOPS} loops "
            "at most"
        )
    types = types_at(stage, more)
    try:
        compiled = _environment(stage, _hashable(more)).compile(text)
    except (RuntimeError, TypeError) as error:
        raise ValueError(_explain(str(error), types)) from error
    if compiled.return_type() != cel.Type.BOOL:
        raise ValueError(f"{text!r} is a {compiled.return_type().name()}, not a condition")
    words = set(re.findall(r"[\w.]+", bare))
    return Expression(
        text=text,
        # A method that is called on a fact stands behind it: `request.purpose.startsWith`.
        facts=frozenset(
            name for name in types if any(w == name or w.startswith(f"{name}.") for w in words)
        ),
        _compiled=compiled,
    )


def conjunction(parts: Iterable[Expression], stage: Stage, more: Families) -> Expression:
    """All of several conditions as one, which is asked several times faster."""
    parts = tuple(parts)
    text = " && ".join(f"({each.text})" for each in parts)
    return Expression(
        text=text,
        facts=frozenset().union(*(each.facts for each in parts)),
        _compiled=_environment(stage, _hashable(more)).compile(text),
    )


def activation(known: Mapping[str, Fact], stage: Stage, more: Families) -> Any:  # noqa: ANN401 - CEL's own
    """Facts as expressions take them; what is not known is not there."""
    values = {name: list(v) if isinstance(v, tuple) else v for name, v in known.items()}
    return _environment(stage, _hashable(more)).Activation(values)


def _hashable(more: Families) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(more.items())


@lru_cache(maxsize=64)
def _environment(stage: Stage, more: tuple[tuple[str, tuple[str, ...]], ...]) -> Any:  # noqa: ANN401 - CEL's own
    types = types_at(stage, dict(more))
    return cel.NewEnv(variables={name: _TYPES[kind] for name, kind in types.items()})


def _explain(error: str, types: Mapping[str, Kind]) -> str:
    """The evaluator's message in one line, with a hint at the usual causes."""
    reason = (
        error.split("\n", maxsplit=1)[0]
        .rsplit("<input>:", maxsplit=1)[-1]
        .removeprefix("INVALID_ARGUMENT: ")
    )
    unknown = re.search(r"undeclared reference to '([^']*)'", error)
    if unknown:
        guess = nearest(unknown.group(1), types)
        return f"{reason}{guess or f'; facts at this stage: {chr(44).join(sorted(types))}'}"
    if "(double, int)" in error:
        return f"{reason}; write whole numbers with a point beside a fraction, such as 10.0"
    return reason
