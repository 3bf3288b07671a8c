"""Content of a YAML file to one of its schemas; what is wrong is said with line and key path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_origin

from pydantic import ValidationError

from safegen.errors import PolicyError
from safegen.policy.vocabulary import nearest
from safegen.schemas.canonical import Record
from safegen.schemas.screens import DIGEST_PATTERN, NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

    from safegen.policy.plain_yaml import PlainFile

_Document = TypeVar("_Document", bound=Record)
EXPECTED = {  # by pydantic's name of the problem
    "string_type": "text",
    "string_too_short": "text",
    "tuple_type": "a list",
    "string_pattern_mismatch": "a name without spaces, or a place such as EU or US-CA",
    "list_type": "a list",
    "bool_parsing": "true or false",
    "int_parsing": "a whole number",
    "date_from_datetime_parsing": "a day such as 2026-08-02",
    "date_parsing": "a day such as 2026-08-02",
    "date_type": "a day such as 2026-08-02",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than_equal": "a number of at most {le:g}",
}
EXPECTED_PATTERNS = {  # by the pattern itself
    DIGEST_PATTERN: "a digest such as sha256:9f3c... of 64 digits",
    NAME_PATTERN: "a name of small letters, digits and underscores",
}


def parse(file: PlainFile, kind: type[_Document]) -> _Document:
    """Read a file's content as a document.

    Raises:
        PolicyError: names the file, the line, the key path and the nearest right name.
    """
    if not isinstance(file.content, dict):
        raise PolicyError(f"{file.at()}: expected keys {', '.join(_keys_of(kind))} at the top")
    try:
        return kind.model_validate(file.content)
    except ValidationError as error:
        # A misspelt key explains another that is missing.
        order = {"extra_forbidden": 0, "missing": 2}
        problems = sorted(error.errors(), key=lambda each: order.get(each["type"], 1))
        first, more = problems[0], len(problems) - 1
        others = f" (and {more} more problem{'s' * (more > 1)})" if more else ""
        raise PolicyError(f"{_sentence(first, file, kind)}{others}") from error


def _sentence(problem: ErrorDetails, file: PlainFile, kind: type[Record]) -> str:
    keys, value, context = _shown(problem["loc"]), problem["input"], problem.get("ctx", {})
    if problem["type"] == "missing":
        return f"{file.at(*keys[:-1])}: {keys[-1]} is missing"
    match problem["type"]:
        case "extra_forbidden":
            known = _keys_at(kind, keys[:-1])
            guess = nearest(str(keys[-1]), known) or f"; known are {', '.join(known)}"
            said = f"no such key{guess}"
        case "literal_error":
            choices = context["expected"].replace("'", "").replace(" or ", ", ")
            said = f"{value!r} is no choice; choose {choices}"
        case "model_type" | "dict_type":
            said = f"expected keys {', '.join(_keys_at(kind, keys))}"
        case "too_short" if keys == ("rules",):
            said = "expected a list of at least one; an empty policy refuses"
        case "value_error":
            said = str(context["error"])
        case other:
            expected = EXPECTED_PATTERNS.get(context.get("pattern", "")) or EXPECTED.get(other)
            said = f"expected {(expected or problem['msg']).format(**context)}, found {value!r}"
    return f"{file.at(*keys)}: {said}"


def _shown(keys: Iterable[str | int]) -> tuple[str | int, ...]:
    """A key path without what pydantic adds for the members of a union."""
    added = {"str", "bool", "int", "float", "list[str]", "[key]"}
    return tuple(key for key in keys if key not in added)


def _keys_at(kind: type[Record], keys: Iterable[str | int]) -> list[str]:
    """The keys of the part of a document that a key path leads to."""
    part: Any = kind
    by_name = False  # whether the next key is one of a mapping's, and no field
    for key in keys:
        if by_name:
            by_name = False
        elif isinstance(key, str) and isinstance(part, type) and issubclass(part, Record):
            fields = {field.alias or name: field for name, field in part.model_fields.items()}
            by_name = key in fields and get_origin(fields[key].annotation) is dict
            part = _record_in(fields[key].annotation) if key in fields else None
    if isinstance(part, type) and issubclass(part, Record):
        return _keys_of(part)
    return []


def _keys_of(kind: type[Record]) -> list[str]:
    return sorted(field.alias or name for name, field in kind.model_fields.items())


def _record_in(annotation: Any) -> Any:  # noqa: ANN401 - any annotation
    """The record that an annotation such as `list[RuleDocument] | None` is about."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    found = (_record_in(each) for each in getattr(annotation, "__args__", ()))
    return next((each for each in found if each is not None), None)
