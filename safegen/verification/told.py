"""What a manifest says, as text to show; whether it is so, only the verdict tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.c2pa.manifest.statements import Statement

MAX_SHOWN_LETTERS = 2**19  # letters of a manifest that anybody would look through


def told_by(manifest: Manifest) -> str | None:
    """A manifest's statements and those of what the file was made from; pure.

    Returns:
        JSON; None where it has more than `MAX_SHOWN_LETTERS`, or cannot be written as such.
    """
    said = {
        "label": manifest.label,
        "generator": manifest.generator,
        "statements": _listed(manifest.statements),
        "ancestors": [
            {"title": each.title, "statements": _listed(each.statements)}
            for each in manifest.ancestors
        ],
    }
    try:
        text = json.dumps(said, indent=2, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return None
    text = text.encode("utf-8", "replace").decode()  # half a letter, which JSON can spell
    return text if len(text) <= MAX_SHOWN_LETTERS else None


def _listed(statements: Iterable[Statement]) -> list[dict[str, object]]:
    return [
        {"label": each.label, "created": each.created, "data": each.data} for each in statements
    ]
