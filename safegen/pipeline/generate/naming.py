"""What the files of a release are called: names that no other release has, unless one asks.

A name is signed: it is the title in the file's manifest and the `file` of its receipt. So it is
chosen when a request is made, and not when its files are saved.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import TYPE_CHECKING

from safegen.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from safegen.schemas.receipt import GenerationRequest

DEFAULT_NAME_PATTERN = "{id}-{number:04}"
FIELDS = ("id", "number", "label", "label_name", "seed")
MAX_NAME_BYTES = 200  # bytes, so that suffixes and temporary names still fit in a file system's 255
_FIELD = re.compile(r"\{(\w*)(?::(0?\d{1,2}))?\}")
_UNFIT = re.compile(r"[^\w.-]+")  # of a class's name, in a file's


def new_id() -> str:
    """A release's own short name, 12 hexadecimal digits."""
    return secrets.token_hex(6)


def names_of(
    requests: Sequence[GenerationRequest],
    name: str | Callable[[GenerationRequest], str],
    *,
    own: str,
    suffix: str,
) -> tuple[str, ...]:
    """The names of a release's outputs.

    Args:
        requests: one an output.
        name: a template of `FIELDS`, such as `{label_name}-{number:03}`; or what gives each
            request its name. Without the suffix.
        own: the release's own short name, the template's `{id}`.
        suffix: of the files' format.

    Raises:
        RequestError: the template has another field, or a name is unfit or there twice.
    """
    made = [
        name(request) if callable(name) else _filled(name, request, own) for request in requests
    ]
    seen: dict[str, str] = {}
    for each in made:
        _require_fit(each)
        alike = unicodedata.normalize("NFC", each).casefold()  # to many a disk, the same file
        if alike in seen:
            raise RequestError(
                f"two outputs would be called {each!r}; add {{number}} or {{id}} to the name"
            )
        seen[alike] = each
    return tuple(each + suffix for each in made)


def _filled(template: str, request: GenerationRequest, own: str) -> str:
    values: dict[str, str | int] = {
        "id": own,
        "number": request.index + 1,
        "label": request.label,
        "label_name": _UNFIT.sub("-", request.label_name).strip(".-") or str(request.label),
        "seed": request.seed,
    }

    def fill(field: re.Match[str]) -> str:
        known, width = values.get(field[1]), field[2]
        if known is None or (width and isinstance(known, str)):
            raise RequestError(_unknown(template))
        return f"{known:{width or ''}}"

    if re.search(r"[{}]", _FIELD.sub("", template)):
        raise RequestError(_unknown(template))
    return _FIELD.sub(fill, template)


def _unknown(template: str) -> str:
    known = ", ".join(f"{{{field}}}" for field in FIELDS)
    return f"the name {template!r} cannot be filled in: its fields are {known}, or {{number:04}}"


def _require_fit(name: object) -> None:
    if (
        not isinstance(name, str)
        or not name.isprintable()
        or re.search(r"[/\\]", name)
        or name != name.strip()
        or not name.strip(".")
        or name.startswith(".")
        or len(name.encode(errors="replace")) > MAX_NAME_BYTES
    ):
        raise RequestError(
            f"{name!r} cannot be a file's name: give one line of printable text without slashes, "
            f"without a dot in front and of {MAX_NAME_BYTES} bytes at most"
        )
