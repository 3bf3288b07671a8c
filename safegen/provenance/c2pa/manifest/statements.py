"""What a manifest says, and whose word it is.

In a claim of C2PA 2 the signer stands for the assertions that are listed as created. Those that are
gathered come from others, who are not named: nobody stands for them. In a claim of C2PA 1 there was
no such difference, and all were the signer's (C2PA 2.2, section 10.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from safegen.provenance.c2pa.claims import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One assertion of a manifest; several may have the same label.

    Attributes:
        label: without a number, also of the second of its kind.
        data: its fields.
        created: whether the signer stands for it.
    """

    label: str
    data: Json
    created: bool


def statements_of(manifest: Any) -> tuple[Statement, ...]:  # noqa: ANN401 - the SDK's JSON
    """All statements of a manifest, in its order."""
    of_the_signer = manifest.get("claim_version") == 1
    return tuple(
        Statement(
            label=str(entry["label"]),
            data=_fields(entry.get("data")),
            created=of_the_signer or entry.get("created") is True,
        )
        for entry in manifest.get("assertions", [])
    )


def said(statements: Iterable[Statement], label: str, *, created: bool = True) -> tuple[Json, ...]:
    """All statements of a label: its signer's, or those that are nobody's."""
    return tuple(each.data for each in statements if (each.label, each.created) == (label, created))


def _fields(data: Any) -> Json:  # noqa: ANN401 - likewise
    """An assertion's fields; one that has none is not what any step expects."""
    return data if isinstance(data, dict) else {"not an object": data}
