"""What a file was made from: every ingredient with its own state, which the top level hides.

Whoever makes something from a broken ingredient may say so: C2PA has it recorded in the signed
ingredient assertion, and what is recorded there is no failure of the new file. So failures that
were declared are told apart from those that nobody declared, which came later or were kept quiet.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from safegen.provenance.c2pa.manifest.statuses import UNTRUSTED, faults
from safegen.provenance.c2pa.sdk import TIME_LIST_PREFIX
from safegen.provenance.keys.shown import bounded, signer_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRUSTED, VALIDATED = "signingCredential.trusted", "ingredient.manifest.validated"
_Failures = dict[str, dict[str, str]]
MISSING = "ingredient.manifest.missing"
LONGEST_TITLE = 255  # letters of an ingredient's, which is a file's name
DEEPEST = 16  # generations that are told; a longer line of descent is called broken


@dataclass(frozen=True, slots=True, kw_only=True)
class IngredientState:
    """One ingredient.

    Attributes:
        title: its file's name, or what people call it.
        relationship: C2PA's term for its part: parentOf, componentOf or inputTo.
        manifest: the label of its own manifest; None when it has none.
        signer: common name and organisation of who signed that, as shown; None likewise.
        failures: codes of what does not hold and nobody declared, with C2PA's explanations.
        declared: the same of what did not hold when it was used, as whoever used it recorded.
        trusted: whether a list that was given vouches for its signer; None where nobody signed, or
            where C2PA's reader does not tell, which can be so for what an ingredient was made from.
        ingredients: what it was made from itself.
    """

    title: str
    relationship: str
    manifest: str | None
    signer: str | None
    failures: Mapping[str, str]
    declared: Mapping[str, str]
    trusted: bool | None
    ingredients: tuple[IngredientState, ...]

    @property
    def state(self) -> Literal["sound", "broken", "unsigned"]:
        """Its own state, apart from what it was made from."""
        if self.failures or self.declared:
            return "broken"
        return "unsigned" if self.manifest is None else "sound"

    def everything(self) -> Iterator[IngredientState]:
        """Itself, and everything that it was made from."""
        yield self
        for item in self.ingredients:
            yield from item.everything()


def ingredients_of(content: Any) -> tuple[IngredientState, ...]:  # noqa: ANN401 - the SDK's JSON
    """The ingredients of the active manifest, with theirs, from the SDK's report."""
    manifests, active = content["manifests"], content["active_manifest"]
    recorded: _Failures = defaultdict(dict)
    for label in manifests:
        for item in _ingredients(manifests, label):
            for place, failures in _deltas(item.get("validation_results")).items():
                recorded[place] |= failures
    deltas = _deltas(content["validation_results"]), recorded
    return _below(manifests, active, deltas, _vouched(content), (), set())


def _address(label: str, item: Any) -> str:  # noqa: ANN401 - likewise
    """Where an ingredient assertion lies."""
    return f"self#jumbf=/c2pa/{label}/c2pa.assertions/{item.get('label')}"


def _ingredients(manifests: Any, label: str) -> Any:  # noqa: ANN401 - likewise
    return manifests.get(label, {}).get("ingredients") or []


def _deltas(results: Any) -> _Failures:  # noqa: ANN401 - likewise
    """Failures by the address of the ingredient assertion that they belong to."""
    deltas: _Failures = defaultdict(dict)
    for delta in (results or {}).get("ingredientDeltas") or []:
        failures = faults(delta["validationDeltas"]["failure"])
        deltas[str(delta["ingredientAssertionURI"])] |= failures
    return deltas


def _vouched(content: Any) -> dict[str, bool | None]:  # noqa: ANN401 - likewise
    """Whether a list vouches for the signer of each manifest; None where it cannot be told.

    C2PA's reader tells what is otherwise now than whoever used it recorded. Of what lies deeper
    than the file's own ingredients it tells no loss of trust: such a record alone proves nothing.
    """
    manifests = content["manifests"]
    passed: dict[str, set[str]] = defaultdict(set)
    failed: dict[str, set[str]] = defaultdict(set)
    for delta in content["validation_results"].get("ingredientDeltas") or []:
        place, found = str(delta["ingredientAssertionURI"]), delta["validationDeltas"]
        passed[place] |= _vouching(found.get("success"))
        failed[place] |= set(_codes(found.get("failure")))
    said: dict[str, set[bool | None]] = defaultdict(set)
    for label in manifests:
        for item in _ingredients(manifests, label):
            place = _address(label, item)
            said[str(item.get("active_manifest"))].add(_now(item, passed[place], failed[place]))
    return {
        own: next(each for each in (True, False, None) if each in found)
        for own, found in said.items()
    }


def _now(item: Any, passed: set[str], failed: set[str]) -> bool | None:  # noqa: ANN401 - likewise
    """Whether a list vouches for an ingredient's signer, by its record and what changed since."""
    checks = (item.get("validation_results") or {}).get("activeManifest") or {}
    if TRUSTED in passed:
        return True
    if UNTRUSTED in failed or TRUSTED not in _vouching(checks.get("success")):
        return False
    return True if VALIDATED in passed else None


def _vouching(statuses: Any) -> set[str]:  # noqa: ANN401 - likewise
    """Codes that passed; a list of time-stamp authorities vouches for nobody's content."""
    return {code for code, text in _codes(statuses).items() if f"[{TIME_LIST_PREFIX}" not in text}


def _codes(statuses: Any) -> dict[str, str]:  # noqa: ANN401 - likewise
    return {status["code"]: status.get("explanation") or "" for status in statuses or []}


def _below(
    manifests: Any,  # noqa: ANN401 - likewise
    label: str,
    deltas: tuple[_Failures, _Failures],
    vouched: Mapping[str, bool | None],
    above: tuple[str, ...],
    told: set[str],
) -> tuple[IngredientState, ...]:
    """What one manifest was made from.

    Each manifest's own ingredients are told where it is met first, and there alone: a few
    kilobytes in which every manifest names the next one ten times would otherwise take ages.
    """
    states = []
    for item in _ingredients(manifests, label):
        own = item.get("active_manifest")
        uri = _address(label, item)
        failures, declared = (dict(found.get(uri, {})) for found in deltas)
        declared |= _recorded(item)
        known = own is not None and own in manifests
        if own is not None and not known and MISSING not in declared:
            failures[MISSING] = "its manifest is not in the file"
        endless = known and (own in above or len(above) >= DEEPEST)
        if endless:
            failures["ingredient.manifest.mismatch"] = "its line of descent does not end"
        to_tell = known and not endless and own not in told
        told |= {own} if to_tell else set()
        states.append(
            IngredientState(
                title=bounded(str(item.get("title") or "unnamed"), LONGEST_TITLE),
                relationship=bounded(str(item.get("relationship") or "unknown")),
                manifest=own,
                signer=_signer(manifests[own]) if known else None,
                failures=failures,
                declared=declared,
                trusted=vouched.get(str(own)) if known else None,
                ingredients=_below(manifests, own, deltas, vouched, (*above, label), told)
                if to_tell
                else (),
            )
        )
    return tuple(states)


def _recorded(item: Any) -> dict[str, str]:  # noqa: ANN401 - likewise
    """What whoever used the ingredient wrote down against it.

    The older of the two lists holds whatever was found, also what is sound.
    """
    checks = (item.get("validation_results") or {}).get("activeManifest") or {}
    return faults(item.get("validation_status"), mixed=True) | faults(checks.get("failure"))


def _signer(manifest: Any) -> str:  # noqa: ANN401 - likewise
    signature = manifest.get("signature_info") or {}
    return signer_name(signature)
