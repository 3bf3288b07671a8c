"""What a file was made from: every ingredient with its own state, which the top level hides."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

UNTRUSTED = "signingCredential.untrusted"  # no fault of an ingredient: its list is another
DEEPEST = 16  # generations that are told; a longer line of descent is called broken


@dataclass(frozen=True, slots=True, kw_only=True)
class IngredientState:
    """One ingredient.

    Attributes:
        title: its file's name, or what people call it.
        relationship: C2PA's term for its part: parentOf, componentOf or inputTo.
        manifest: the label of its own manifest; None when it has none.
        signer: common name and issuer of who signed that; None likewise.
        failures: codes of what does not hold, when it was used or now, with C2PA's explanations.
        ingredients: what it was made from itself.
    """

    title: str
    relationship: str
    manifest: str | None
    signer: str | None
    failures: Mapping[str, str]
    ingredients: tuple[IngredientState, ...]

    @property
    def state(self) -> Literal["sound", "broken", "unsigned"]:
        """Its own state, apart from what it was made from."""
        if self.failures:
            return "broken"
        return "unsigned" if self.manifest is None else "sound"

    def all_failures(self) -> dict[str, str]:
        """Its own failures, and those of everything that it was made from."""
        found = dict(self.failures)
        for item in self.ingredients:
            found |= item.all_failures()
        return found


def ingredients_of(content: Any) -> tuple[IngredientState, ...]:  # noqa: ANN401 - the SDK's JSON
    """The ingredients of the active manifest, with theirs, from the SDK's report."""
    deltas: dict[str, dict[str, str]] = defaultdict(dict)
    for delta in content["validation_results"].get("ingredientDeltas") or []:
        found = reasons(delta["validationDeltas"]["failure"])
        deltas[str(delta["ingredientAssertionURI"])] |= found
    return _below(content["manifests"], content["active_manifest"], deltas, (), set())


def reasons(statuses: Any) -> dict[str, str]:  # noqa: ANN401 - likewise
    """Codes with C2PA's explanation of each."""
    return {status["code"]: status.get("explanation", "") for status in statuses or []}


def _below(
    manifests: Any,  # noqa: ANN401 - likewise
    label: str,
    deltas: Mapping[str, Mapping[str, str]],
    above: tuple[str, ...],
    told: set[str],
) -> tuple[IngredientState, ...]:
    """What one manifest was made from.

    Each manifest's own ingredients are told where it is met first, and there alone: a few
    kilobytes in which every manifest names the next one ten times would otherwise take ages.
    """
    manifest = manifests.get(label)
    if manifest is None:
        return ()
    states = []
    for item in manifest.get("ingredients", []):
        own = item.get("active_manifest")
        uri = f"self#jumbf=/c2pa/{label}/c2pa.assertions/{item.get('label')}"
        failures = _recorded(item) | dict(deltas.get(uri, {}))
        failures.pop(UNTRUSTED, None)
        known = own is not None and own in manifests
        if own is not None and not known:
            failures["ingredient.manifest.missing"] = "its manifest is not in the file"
        endless = known and (own in above or len(above) >= DEEPEST)
        if endless:
            failures["ingredient.manifest.mismatch"] = "its line of descent does not end"
        to_tell = known and not endless and own not in told
        told |= {own} if to_tell else set()
        states.append(
            IngredientState(
                title=str(item.get("title") or "unnamed"),
                relationship=str(item.get("relationship") or "unknown"),
                manifest=own,
                signer=_signer(manifests[own]) if known else None,
                failures=failures,
                ingredients=_below(manifests, own, deltas, (*above, label), told)
                if to_tell
                else (),
            )
        )
    return tuple(states)


def _recorded(item: Any) -> dict[str, str]:  # noqa: ANN401 - likewise
    """What whoever used the ingredient wrote down about it."""
    checks = (item.get("validation_results") or {}).get("activeManifest") or {}
    return reasons(item.get("validation_status")) | reasons(checks.get("failure"))


def _signer(manifest: Any) -> str:  # noqa: ANN401 - likewise
    signature = manifest.get("signature_info") or {}
    return f"{signature.get('common_name', 'unnamed')} ({signature.get('issuer', 'unnamed')})"
