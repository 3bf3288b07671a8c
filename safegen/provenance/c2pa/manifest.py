"""Manifests: signed into a file or beside it, read back, and said in values."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm

from safegen.errors import DataError, SafegenError
from safegen.provenance.c2pa import binding
from safegen.provenance.c2pa.ancestry import Ancestor, ancestors_of, chain_in
from safegen.provenance.c2pa.claims import generator
from safegen.provenance.c2pa.credentials import certificates_in
from safegen.provenance.c2pa.identities import identities_of
from safegen.provenance.c2pa.ingredients import TRUSTED, IngredientState, ingredients_of
from safegen.provenance.c2pa.sdk import (
    EXPIRED,
    STAMPS,
    UnreadableManifestError,
    read_store,
    sign_store,
)
from safegen.provenance.c2pa.statements import Statement, said, statements_of
from safegen.provenance.c2pa.statuses import UNTRUSTED, concern, failures, faults, notes, reasons
from safegen.provenance.keys.chain import settled_path
from safegen.provenance.keys.profile import Finding
from safegen.provenance.keys.shown import issuer_name, shown, signer_name
from safegen.provenance.keys.trust import trust_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

    from safegen.provenance.c2pa.claims import Claim, Ingredient, Json
    from safegen.provenance.c2pa.identities import Identity
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.keys.trust import Trust

SPECIFICATION = "2.4.0"
UNBOUND = "safegen.integrity.unbound"  # no code of C2PA's
SIGNED = "claimSignature.validated"
STAMPED, STAMP_TRUSTED = "timeStamp.validated", "timeStamp.trusted"

__all__ = [
    "EXPIRED",
    "TRUSTED",
    "UNTRUSTED",
    "Manifest",
    "UnreadableManifestError",
    "read",
    "sign",
    "sign_beside",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStamp:
    """When an authority saw the signature.

    Attributes:
        time: ISO 8601, in UTC.
        authority: the common name in its certificate.
        trusted_by: the list that vouches for the authority; None when none does.
    """

    time: str
    authority: str
    trusted_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest store says, and what validating it found.

    Attributes:
        label: of the active manifest.
        state: C2PA's own: Trusted, Valid or Invalid, apart from what it says of persons.
        successes: codes of the checks that passed.
        notes: codes that say neither good nor bad, with C2PA's explanation of each.
        failures: codes of the checks that failed, with C2PA's explanation of each.
        ingredients: what it was made from, each with its own state.
        broken_ingredients: failures inside ingredients that nobody declared.
        declared: failures inside ingredients that whoever used them recorded; C2PA's state passes
            over them.
        generator: the program that made it, as it says; None when it says none.
        signer: common name and organisation in the signing certificate, as they are shown.
        chain: the signer's certificates, its own first; none when they cannot be read.
        trusted_by: the name of the list that the signer is on; None when it is on none.
        broken_path: why the signer's certificates do not lead to the trusted root that they name;
            None when they do, or when they name none.
        validity: first and last moment of the signing certificate, in ISO 8601; told only where it
            was not valid at the time of signing or of reading.
        time_stamp: None when there is none, or one that does not hold.
        identities: who else stands for it.
        statements: all that it says, in its order, each with whose it is.
        ancestors: what the manifests say of what it was made from, however deep.
    """

    label: str
    state: Literal["Trusted", "Valid", "Invalid"]
    successes: tuple[str, ...]
    notes: Mapping[str, str]
    failures: Mapping[str, str]
    ingredients: tuple[IngredientState, ...]
    broken_ingredients: Mapping[str, str]
    declared: Mapping[str, str]
    generator: str | None
    signer: str
    chain: tuple[x509.Certificate, ...]
    trusted_by: str | None
    broken_path: Finding | None
    validity: tuple[str, str] | None
    time_stamp: TimeStamp | None
    identities: tuple[Identity, ...]
    statements: tuple[Statement, ...] = field(repr=False)
    ancestors: tuple[Ancestor, ...] = field(default=(), repr=False)

    @property
    def issuer(self) -> str | None:
        """Who issued the signing certificate, as it is shown; None when none can be read."""
        return issuer_name(self.chain[0]) if self.chain else None

    @property
    def seen_at(self) -> str | None:
        """When an authority that is trusted saw the signature; None when none says."""
        stamp = self.time_stamp
        return None if stamp is None or stamp.trusted_by is None else stamp.time

    @property
    def assertions(self) -> Mapping[str, Json]:
        """The first statement of each label that its signer makes, by label."""
        own = [each for each in self.statements if each.created]
        return {each.label: each.data for each in reversed(own)}

    def said(self, label: str, *, created: bool = True) -> tuple[Json, ...]:
        """All statements of a label: its signer's, or those that are nobody's."""
        return said(self.statements, label, created=created)

    @property
    def binds(self) -> bool:
        """Whether it is signed and about these very bytes, whoever signed it and whenever."""
        return SIGNED in self.successes and not any(
            code.endswith("Hash.mismatch") or code == "claim.hardBindings.missing"
            for code in self.failures
        )


def sign(
    data: bytes,
    claim: Claim,
    signer: Signer,
    *,
    stamps: str | None = None,
    times: bytes | None = None,
) -> tuple[bytes, Manifest]:
    """Put a signed manifest into a file's bytes, and read it back as a stranger would.

    Args:
        data: the file; nothing may change after this.
        claim: what to say.
        signer: who says it.
        stamps: address of a time-stamp authority (RFC 3161), or None.
        times: PEM roots of authorities whose time-stamps on what it was made from are believed.

    Returns:
        The signed file, and its manifest as it was read back.

    Raises:
        KeyMaterialError: the signer could not sign.
        TimeStampError: the authority gave no time-stamp.
        DataError: the bytes are not a whole file of the claim's media type, or no manifest would
            bind all of it.
        SafegenError: what was signed does not hold; it is withheld.
    """
    _require_bindable(data, claim, beside=False)
    trust = trust_in(signer.anchor, times)
    signed = _sign(data, claim, signer, stamps, trust, beside=False)
    return signed, _checked(read(signed, claim.mime, trust=trust), claim, signer)


def sign_beside(
    data: bytes,
    claim: Claim,
    signer: Signer,
    *,
    stamps: str | None = None,
    times: bytes | None = None,
) -> tuple[bytes, Manifest]:
    """Make a signed manifest that binds `data` and is stored in a file of its own; as `sign`."""
    _require_bindable(data, claim, beside=True)
    trust = trust_in(signer.anchor, times)
    store = _sign(data, claim, signer, stamps, trust, beside=True)
    manifest = read(data, claim.mime, trust=trust, beside=store)
    return store, _checked(manifest, claim, signer)


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


def _sign(
    data: bytes,
    claim: Claim,
    signer: Signer,
    stamps: str | None,
    trust: Trust | None,
    *,
    beside: bool,
) -> bytes:
    with_manifest_beside = [item for item in claim.ingredients if item.manifest is not None]
    bare = [item for item in claim.ingredients if item.bare]
    definition: Json = {
        "title": claim.title,
        "format": claim.mime,
        "claim_generator_info": [{**generator(), "specVersion": SPECIFICATION}],
        "assertions": list(claim.assertions),
        "ingredients": [
            *(_described(item, trust) for item in with_manifest_beside),
            *(_named(item) | {"data": _resource(item)} for item in bare),
        ],
    }
    return sign_store(
        definition,
        data=data,
        mime=claim.mime,
        resources={
            _identifier(item): item.manifest or item.content
            for item in (*with_manifest_beside, *bare)
        },
        embedded=[
            (_named(item), item.mime, item.content)
            for item in claim.ingredients
            if item.manifest is None and not item.bare
        ],
        signer=signer,
        trust=trust,
        stamps=stamps,
        beside=beside,
    )


def _require_bindable(data: bytes, claim: Claim, *, beside: bool) -> None:
    """Refuse what every verifier here would refuse, before a key is asked."""
    fault = binding.unbindable(data, beside=beside)
    if fault is not None:
        raise _cannot_bind(claim, fault)


def _cannot_bind(claim: Claim, fault: str) -> DataError:
    return DataError(
        f"{claim.title} cannot be signed: {fault}, so that it could be replaced; write the file "
        "anew with another program, and sign that"
    )


def _checked(manifest: Manifest, claim: Claim, signer: Signer) -> Manifest:
    """A signature that does not hold never leaves."""
    if UNBOUND in manifest.failures:
        raise _cannot_bind(claim, manifest.failures[UNBOUND])
    wanted = {"Trusted"} if signer.anchor else {"Trusted", "Valid"}
    broken = {**manifest.failures, **manifest.broken_ingredients, **manifest.declared}
    if manifest.state not in wanted or manifest.broken_ingredients or manifest.declared:
        said = ", ".join(f"{code} ({text})" for code, text in broken.items())
        raise SafegenError(f"{claim.title} was withheld: its signature does not hold: {said}")
    return manifest


@functools.lru_cache(maxsize=8)
def _described(item: Ingredient, trust: Trust | None) -> Json:
    """An ingredient whose manifest lies beside it; the SDK wants the last three or drops all."""
    content = read_store(item.content, item.mime, trust=trust, beside=item.manifest)
    return _named(item) | {
        "active_manifest": content["active_manifest"],
        "validation_results": content["validation_results"],
        "manifest_data": _resource(item),
    }


def _named(item: Ingredient) -> Json:
    named: Json = {
        "title": item.title,
        "format": item.mime,
        "label": item.name,
        "instance_id": item.name,
        "relationship": item.relationship,
    }
    if item.data_type:
        named["data_types"] = [{"type": item.data_type}]
    if item.source_type:
        named["digital_source_type"] = item.source_type
    return named


def _resource(item: Ingredient) -> Json:
    kind = item.mime if item.manifest is None else "application/c2pa"
    return {"format": kind, "identifier": _identifier(item)}


def _identifier(item: Ingredient) -> str:
    return f"{item.name}.{'json' if item.manifest is None else 'c2pa'}"


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
    if TRUSTED in successes and list_name.startswith(STAMPS):  # such a list vouches for times alone
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
        trusted_by = name.removeprefix(STAMPS) if separator else "C2PA's interim list"
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
