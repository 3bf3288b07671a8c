"""A claim to a signed manifest, in a file or beside it; read back as a stranger would."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from safegen.errors import DataError, SafegenError
from safegen.provenance.c2pa import binding
from safegen.provenance.c2pa.claims import generator
from safegen.provenance.c2pa.manifest.reading import read
from safegen.provenance.c2pa.manifest.values import UNBOUND, Manifest
from safegen.provenance.c2pa.sdk import Definition, read_store, sign_store
from safegen.provenance.keys.trust import trust_in

if TYPE_CHECKING:
    from safegen.provenance.c2pa.claims import Claim, Ingredient, Json
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.keys.trust import Trust

SPECIFICATION = "2.4.0"


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
    said: Json = {
        "title": claim.title,
        "format": claim.mime,
        "claim_generator_info": [{**generator(), "specVersion": SPECIFICATION}],
        "assertions": list(claim.assertions),
        "ingredients": [
            *(_described(item, trust) for item in with_manifest_beside),
            *(_named(item) | {"data": _resource(item)} for item in bare),
        ],
    }
    definition = Definition(
        manifest=said,
        resources={
            _identifier(item): item.manifest or item.content
            for item in (*with_manifest_beside, *bare)
        },
        embedded=[
            (_named(item), item.mime, item.content)
            for item in claim.ingredients
            if item.manifest is None and not item.bare
        ],
    )
    return sign_store(
        definition,
        data=data,
        mime=claim.mime,
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
