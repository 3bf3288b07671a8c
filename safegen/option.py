"""How a field or a parameter is spelled as an option, where its name does not say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spelled:
    """In an annotation: `Annotated[Family, Spelled("--model")]`.

    Attributes:
        option: as it is typed; made of the name when None.
        value: what stands for its value in `--help`; made of the type when None.
    """

    option: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class NoOption:
    """In an annotation: for callers from Python only."""
