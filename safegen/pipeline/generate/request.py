"""What was asked of a generator, checked against what it can make."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from safegen.errors import RequestError
from safegen.policy.facts import RequestFacts
from safegen.schemas.names import MAX_SEED
from safegen.schemas.receipt import GenerationRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_OUTPUTS = 10_000  # outputs of one request
MAX_PURPOSE_LETTERS = 1000
LONGEST_ACTOR = 200


def parse_request(
    *, count: int, purpose: str, label: int | str | None, seed: int | None, classes: Sequence[str]
) -> tuple[GenerationRequest, ...]:
    """One request an output.

    Args:
        count: how many outputs.
        purpose: what they are for.
        label: a class's number or name; None for all classes in turn.
        seed: drawn when None.
        classes: the generator's labels.

    Raises:
        RequestError: the generator makes no such thing.
    """
    require_count(count)
    purpose = purpose.strip()
    if len(purpose) > MAX_PURPOSE_LETTERS or not purpose.isprintable():
        raise RequestError(
            f"the purpose must be one line of printable text, {MAX_PURPOSE_LETTERS} letters at most"
        )
    if seed is None:
        seed = secrets.randbelow(2**32)
    if not 0 <= seed <= MAX_SEED:
        raise RequestError(f"the seed is {seed}; choose a whole number from 0 to 2^53 - 1")
    return tuple(
        GenerationRequest(
            purpose=purpose,
            label=number,
            label_name=classes[number],
            seed=seed,
            index=index,
            count=count,
        )
        for index, number in enumerate(_labels(label, classes, count))
    )


def require_count(count: int) -> None:
    """Refuse a number of outputs that nothing makes at once.

    Raises:
        RequestError: it is none.
    """
    if not isinstance(count, int) or not 1 <= count <= MAX_OUTPUTS:
        raise RequestError(f"cannot make {count} outputs at once; ask for 1 to {MAX_OUTPUTS:,}")


def facts_of(
    requests: Sequence[GenerationRequest], label: int | str | None, actor: str = ""
) -> RequestFacts:
    """What a policy is told of a request.

    Raises:
        RequestError: the actor's name is none.
    """
    actor, first = actor.strip(), requests[0]
    if len(actor) > LONGEST_ACTOR or not actor.isprintable():
        raise RequestError(f"who asks is named in one line of {LONGEST_ACTOR} letters at most")
    return RequestFacts(
        purpose=first.purpose,
        label=-1 if label is None else first.label,
        label_name="" if label is None else first.label_name,
        count=first.count,
        actor=actor,
    )


def _labels(label: int | str | None, classes: Sequence[str], count: int) -> list[int]:
    """The class of each output: the one asked for, or all in turn."""
    if label is None:
        return [index % len(classes) for index in range(count)]
    alike = [number for number, name in enumerate(classes) if name.lower() == str(label).lower()]
    if isinstance(label, str) and label in classes:
        return [classes.index(label)] * count
    if isinstance(label, str) and len(alike) == 1:
        return alike * count
    if not isinstance(label, bool) and str(label).isdecimal() and int(label) < len(classes):
        return [int(label)] * count
    names = ", ".join(f"{number} ({name})" for number, name in enumerate(classes))
    raise RequestError(f"no label {label!r}: this model makes {names}")
