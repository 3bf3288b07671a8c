"""What the manifests say that lie below a file's own: of what it was made from, however deep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safegen.provenance.c2pa.manifest.credentials import certificates_in
from safegen.provenance.c2pa.manifest.statements import said, statements_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

    from safegen.provenance.c2pa.claims import Json
    from safegen.provenance.c2pa.manifest.ingredients import IngredientState
    from safegen.provenance.c2pa.manifest.statements import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """One thing that a file was made from, which has a manifest.

    Attributes:
        title: its file's name, or what people call it.
        chain: the certificates of its signer, leaf first; none when they cannot be read.
        statements: all that its manifest says.
    """

    title: str
    chain: tuple[x509.Certificate, ...]
    statements: tuple[Statement, ...]

    def said(self, label: str) -> tuple[Json, ...]:
        """All that its signer says under a label."""
        return said(self.statements, label)


def ancestors_of(
    content: Any,  # noqa: ANN401 - the SDK's JSON
    ingredients: Iterable[IngredientState],
) -> tuple[Ancestor, ...]:
    """Everything with a manifest that a file was made from, each manifest once."""
    found = {
        each.manifest: each
        for item in ingredients
        for each in item.everything()
        if each.manifest in content["manifests"]
    }
    return tuple(
        Ancestor(
            title=item.title,
            chain=chain_in(content, label),
            statements=statements_of(content["manifests"][label]),
        )
        for label, item in found.items()
        if label is not None
    )


def chain_in(content: Any, label: str) -> tuple[x509.Certificate, ...]:  # noqa: ANN401 - likewise
    """The certificates of one manifest's signer; none when they cannot be read."""
    try:
        return certificates_in(content["store"], label)
    except (ValueError, TypeError, IndexError):
        return ()
