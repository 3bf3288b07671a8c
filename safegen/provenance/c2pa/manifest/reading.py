"""A manifest store's bytes to values; judged more strictly than C2PA's reader does.

That asks too little of a signer's certificates, of what a hash is of, and of what a list of
time-stamp authorities may vouch for; and it lets what is said of persons decide on bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm

from safegen.provenance.c2pa import binding
from safegen.provenance.c2pa.manifest.ancestry import ancestors_of, chain_in
from safegen.provenance.c2pa.manifest.credentials import certificates_in
from safegen.provenance.c2pa.manifest.identities import identities_of
from safegen.provenance.c2pa.manifest.ingredients import TRUSTED, IngredientState, ingredients_of
from safegen.provenance.c2pa.manifest.statements import statements_of
from safegen.provenance.c2pa.manifest.statuses import (
    UNTRUSTED,
    concern,
    failures,
    faults,
    notes,
    reasons,
)
from safegen.provenance.c2pa.manifest.values import SIGNED, UNBOUND, Manifest, TimeStamp
from safegen.provenance.c2pa.sdk import TIME_LIST_PREFIX, UnreadableManifestError, read_store
from safegen.provenance.keys.chain import settled_path
from safegen.provenance.keys.profile import Finding
from safegen.provenance.keys.shown import shown, signer_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from safegen.provenance.keys.trust import Trust

STAMPED, STAMP_TRUSTED = "timeStamp.validated", "timeStamp.trusted"


def read(
    data: bytes, mime: str, *, trust: Trust | None = None, beside: bytes | None = None
) -> Manifest:
    """Read and validate a manifest.

    Args:
        data: the whole file.
        mime: its media type.
        trust: whom to trust; without it no signer is trusted.
        beside: the manifest, where it is not in the file.

    Raises:
        UnreadableManifestError: there is none, or it cannot be read.
    """
    content = read_store(data, mime, trust=trust, beside=beside)
    try:
        return _manifest(content, trust, binding.unbound(data, content["store"], content["hashes"]))
    except (KeyError, TypeError, AttributeError) as error:  # a broken store names what it lacks
        raise UnreadableManifestError(
            "unreadable", "the file's manifest store does not hold together"
        ) from error


def _manifest(
    content: Any,  # noqa: ANN401 - the SDK's JSON
    trust: Trust | None,
    unbound: str | None,
) -> Manifest:
    active = content["manifests"][content["active_manifest"]]
    checks = content["validation_results"]["activeManifest"]
    signature = active.get("signature_info", {})
    list_name = str(content["validation_results"].get("trustListUri") or "")
    failed = failures(checks["failure"])
    successes = {
        check["code"]: ""
        for check in checks["success"]
        if concern(check["code"], check.get("url") or "") != "identity"
    }
    if TRUSTED in successes and list_name.startswith(
        TIME_LIST_PREFIX
    ):  # such a list vouches for times alone
        del successes[TRUSTED]
        failed[UNTRUSTED] = "only a list of time-stamp authorities vouches for the signer"
    stamp = _time_stamp(signature.get("time"), checks)
    broken_path = _broken_path(content, trust, stamp) if SIGNED in successes else None
    if TRUSTED in successes and broken_path is not None:
        del successes[TRUSTED]
        failed[UNTRUSTED] = broken_path.text
    if unbound is not None:  # the SDK compares a hash, and does not ask what it is of
        failed[UNBOUND] = unbound
    ingredients = ingredients_of(content)
    return Manifest(
        label=content["active_manifest"],
        state=_state(content, successes, failed),
        successes=tuple(successes),
        notes=notes(checks.get("informational")),
        failures=failed,
        ingredients=ingredients,
        broken_ingredients=_broken(content, ingredients),
        declared={
            code: text
            for item in ingredients
            for each in item.everything()
            for code, text in each.declared.items()
        },
        generator=_generator(active),
        signer=signer_name(signature),
        chain=chain_in(content, content["active_manifest"]),
        trusted_by=list_name if TRUSTED in successes else None,
        broken_path=broken_path,
        validity=_validity(content.get("certificate_info")),
        time_stamp=stamp,
        identities=identities_of(
            active.get("assertions"),
            content.get("identity_results", checks),
            () if trust is None else trust.identities,
        ),
        statements=statements_of(active),
        ancestors=ancestors_of(content, ingredients),
        store=content["store"],
    )


def _state(
    content: Any,  # noqa: ANN401 - likewise
    successes: Mapping[str, str],
    failed: Mapping[str, str],
) -> Literal["Trusted", "Valid", "Invalid"]:
    """C2PA's state, computed as the SDK does, but without what is said of persons."""
    if UNBOUND in failed:
        return "Invalid"
    told = content["validation_state"]
    against = [
        status
        for delta in content["validation_results"].get("ingredientDeltas") or []
        for status in delta["validationDeltas"]["failure"]
    ]
    persons = [
        status
        for status in (*content["validation_results"]["activeManifest"]["failure"], *against)
        if concern(status["code"], status.get("url") or "") == "identity"
    ]
    if told != "Trusted" and persons:
        broken = failed.keys() - {UNTRUSTED} or faults(against) or SIGNED not in successes
        unknown = UNTRUSTED in failed or UNTRUSTED in reasons(against, {"signer"})
        told = "Invalid" if broken else "Valid" if unknown else "Trusted"
    return "Valid" if told == "Trusted" and TRUSTED not in successes else told


def _generator(manifest: Any) -> str | None:  # noqa: ANN401 - likewise
    match manifest.get("claim_generator_info"):
        case [{"name": str(name)}, *_]:
            return name
    return None


def _broken_path(
    content: Any,  # noqa: ANN401 - likewise
    trust: Trust | None,
    stamp: TimeStamp | None,
) -> Finding | None:
    """What RFC 5280 says against the signer's certificates, of which the SDK asks too little.

    A path must be valid when it signed, as far as anybody trusted says when that was, or else now.
    """
    if trust is None or not trust.signers:
        return None
    believed = stamp is not None and stamp.trusted_by is not None
    at = datetime.fromisoformat(stamp.time) if stamp and believed else datetime.now(UTC)
    try:
        chain = certificates_in(content["store"], content["active_manifest"])
        return settled_path(chain, trust.anchors, at)
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm) as error:
        text = f"the certificates of its signer cannot be read ({error})"
        return Finding(code="unreadable", grade="untrusted", text=text)


def _time_stamp(time: object, checks: Any) -> TimeStamp | None:  # noqa: ANN401 - the SDK's JSON
    """The time-stamp that holds; the SDK names its authority and list at the end of a sentence."""
    said = {check["code"]: check.get("explanation", "") for check in checks["success"]}
    if not isinstance(time, str) or STAMPED not in said:
        return None
    vouched = said.get(STAMP_TRUSTED)
    trusted_by = None
    if vouched is not None:
        _, separator, name = vouched.partition("trust list: ")
        trusted_by = name.removeprefix(TIME_LIST_PREFIX) if separator else "C2PA's interim list"
    authority = shown(said[STAMPED].rpartition(": ")[2])
    return TimeStamp(time=time, authority=authority, trusted_by=trusted_by)


def _validity(certificate: Any) -> tuple[str, str] | None:  # noqa: ANN401 - the SDK's JSON
    dates = (certificate or {}).get("validity") or {}
    first, last = dates.get("notBefore"), dates.get("notAfter")
    return (first, last) if isinstance(first, str) and isinstance(last, str) else None


def _broken(content: Any, ingredients: tuple[IngredientState, ...]) -> dict[str, str]:  # noqa: ANN401 - likewise
    """What is wrong inside ingredients, however deep, also where none can be named for it."""
    found: dict[str, str] = {}
    for item in ingredients:
        for each in item.everything():
            found |= each.failures
    for delta in content["validation_results"].get("ingredientDeltas") or []:
        found |= faults(delta["validationDeltas"]["failure"])
    return found
