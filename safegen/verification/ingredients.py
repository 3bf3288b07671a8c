"""What a file was made from, in words: each ingredient's own state, and which one is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from safegen.schemas.verdict import IngredientFinding
from safegen.verification.c2pa_messages import of_another, phrases
from safegen.verification.findings import found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from safegen.provenance.c2pa.manifest.ingredients import IngredientState
    from safegen.schemas.verdict import StepFinding
    from safegen.verification.evidence import Evidence

MAX_NAMED = 3  # broken ingredients that a sentence names; the verdict has all of them


def findings_of(ingredients: Iterable[IngredientState]) -> tuple[IngredientFinding, ...]:
    """Each ingredient with its state in words, and what it was made from itself."""
    return tuple(
        IngredientFinding(
            title=item.title,
            relationship=item.relationship,
            state=item.state,
            signer=item.signer,
            codes=tuple({**item.failures, **item.declared}),
            declared=tuple(item.declared),
            trusted=item.trusted,
            text=_state_in_words(item),
            ingredients=findings_of(item.ingredients),
        )
        for item in ingredients
    )


def check_ingredients(evidence: Evidence) -> StepFinding:
    """3. What it was made from held when it was used, or whoever used it said that it did not.

    C2PA's state passes over a failure that was declared; whoever asks strictly does not.
    """
    manifest = evidence.manifest
    items = [each for item in manifest.ingredients for each in item.everything()]
    if manifest.broken_ingredients:
        text = "Something that it was made from does not hold, and nobody said so."
        return found("safegen.ingredients.broken", text, manifest.broken_ingredients)
    declared = manifest.declared
    if declared:
        text = _told(_lines(manifest.ingredients, "declared"), declared)
        if evidence.strict:
            return found("safegen.ingredients.refused", text, declared)
        return found("safegen.ingredients.declared-broken", text, declared)
    if not items:
        text = "It names nothing that it was made from."
        return found("safegen.ingredients.none", text)
    if not any(item.manifest for item in items):
        text = "Nothing that it was made from has a manifest, so nothing is known of its origin."
        return found("safegen.ingredients.unsigned", text)
    text = "What it was made from holds, as far as it has a manifest."
    return found("safegen.ingredients.sound", text)


def accusation(ingredients: Iterable[IngredientState], failures: Mapping[str, str]) -> str:
    """Which ingredients are broken, and how; for a file that is intact itself.

    Args:
        ingredients: of the file.
        failures: all of them, also those that belong to no ingredient that can be named.
    """
    return _told(_lines(ingredients, "failures"), failures)


def _told(lines: Iterable[str], failures: Mapping[str, str]) -> str:
    told = list(dict.fromkeys(lines))
    if not told:
        return f"It is intact, but something that it was made from is not: {phrases(failures)}."
    more = f" So do {len(told) - MAX_NAMED} more not hold." if len(told) > MAX_NAMED else ""
    return f"{' '.join(told[:MAX_NAMED])}{more}"


def _lines(
    ingredients: Iterable[IngredientState],
    kind: Literal["failures", "declared"],
    way: str = "It was made from",
) -> Iterator[str]:
    """A sentence for each broken ingredient, with the way to it."""
    said = ", as whoever used it says" if kind == "declared" else ""
    for item in ingredients:
        faults = item.declared if kind == "declared" else item.failures
        if faults:
            yield f"{way} {item.title}, {of_another(faults)}{said}."
        else:
            yield from _lines(item.ingredients, kind, f"{way} {item.title}, which was made from")


def _state_in_words(item: IngredientState) -> str:
    if item.failures:
        return f"It does not hold: {phrases(item.failures)}."
    if item.declared:
        return (
            f"It did not hold when it was used, as whoever used it says: {phrases(item.declared)}."
        )
    if item.manifest is None:
        return "It has no manifest of its own, so nothing is known of its origin."
    signed = f"Its own manifest holds, signed by {item.signer}"
    if item.trusted:
        return f"{signed}."
    if item.trusted is None:
        return f"{signed}; whether a list of yours vouches for that cannot be told, so far back."
    return f"{signed}, for whom no list of yours vouches."
