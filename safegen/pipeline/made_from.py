"""What a file was made from, in words: each ingredient's own state, and which one is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.pipeline.words import of_another, phrases
from safegen.records.verdict import IngredientFinding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from safegen.provenance.ingredients import IngredientState

NAMED = 3  # broken ingredients that a sentence names; the verdict has all of them


def findings_of(ingredients: Iterable[IngredientState]) -> tuple[IngredientFinding, ...]:
    """Each ingredient with its state in words, and what it was made from itself."""
    return tuple(
        IngredientFinding(
            title=item.title,
            relationship=item.relationship,
            state=item.state,
            signer=item.signer,
            codes=tuple(item.failures),
            text=_state_in_words(item),
            ingredients=findings_of(item.ingredients),
        )
        for item in ingredients
    )


def accusation(ingredients: Iterable[IngredientState], failures: Mapping[str, str]) -> str:
    """Which ingredients are broken, and how; for a file that is intact itself.

    Args:
        ingredients: of the file.
        failures: all of them, also those that belong to no ingredient that can be named.
    """
    lines = list(dict.fromkeys(_broken(ingredients, "It was made from")))
    if not lines:
        return f"It is intact, but something that it was made from is not: {phrases(failures)}."
    more = f" So do {len(lines) - NAMED} more not hold." if len(lines) > NAMED else ""
    return f"{' '.join(lines[:NAMED])}{more}"


def _broken(ingredients: Iterable[IngredientState], way: str) -> Iterator[str]:
    for item in ingredients:
        if item.failures:
            yield f"{way} {item.title}, {of_another(item.failures)}."
        else:
            yield from _broken(item.ingredients, f"{way} {item.title}, which was made from")


def _state_in_words(item: IngredientState) -> str:
    if item.failures:
        return f"It does not hold: {phrases(item.failures)}."
    if item.manifest is None:
        return "It has no manifest of its own, so nothing is known of its origin."
    return f"Its own manifest holds, signed by {item.signer}."
