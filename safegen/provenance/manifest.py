"""Manifests, embedded, beside a file, and read back; the only importer of c2pa.

Measured traps that this file stands between: the SDK truncates a source that it signs in place,
leaves an empty file when signing fails, accepts unknown settings in silence, hides what a signer
raised, and calls a proper claim-signing leaf invalid unless its extended key usages are listed.
So everything here happens in memory, and settings are spelled out once.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import c2pa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from safegen.errors import KeyMaterialError, SafegenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from safegen.provenance.claims import Claim, Ingredient, Json
    from safegen.provenance.signer import Signer

SPECIFICATION = "2.4.0"
KEY_USAGES = (
    "1.3.6.1.4.1.62558.2.1\n"  # C2PA claim signing
    "1.3.6.1.5.5.7.3.36\n"  # document signing
    "1.3.6.1.5.5.7.3.4\n"  # email protection, which older C2PA signers carry
)
TRUSTED = "signingCredential.trusted"
UNTRUSTED = "signingCredential.untrusted"  # of an ingredient: no fault, its list is another
SUPPORTED = frozenset(c2pa.Reader.get_supported_mime_types())

Problem = Literal["unsigned", "unsupported", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest store says, and what validating it found.

    Attributes:
        label: of the active manifest.
        state: C2PA's own: Trusted, Valid or Invalid.
        successes: codes of the checks that passed.
        failures: codes of the checks that failed, with C2PA's explanation of each.
        broken_ingredients: failures inside ingredients, which the top-level state hides.
        signer: common name and issuer of the signing certificate.
        assertions: each assertion's data, by label.
    """

    label: str
    state: Literal["Trusted", "Valid", "Invalid"]
    successes: tuple[str, ...]
    failures: Mapping[str, str]
    broken_ingredients: Mapping[str, str]
    signer: str
    assertions: Mapping[str, Json] = field(repr=False)


class UnreadableManifestError(SafegenError):
    """No manifest could be read; `problem` says which kind of none."""

    exit_code = 1

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


def sign_embedded(data: bytes, claim: Claim, signer: Signer) -> bytes:
    """Put a signed manifest into a file's bytes.

    Raises:
        KeyMaterialError: the signer could not sign.
    """
    builder = _builder(claim, signer.anchor)
    signed = io.BytesIO()
    _sign(builder, signer, claim.mime, io.BytesIO(data), signed)
    return signed.getvalue()


def sign_beside(data: bytes, claim: Claim, signer: Signer) -> bytes:
    """Make a signed manifest that binds `data` and is stored in a file of its own.

    Raises:
        KeyMaterialError: the signer could not sign.
    """
    builder = _builder(claim, signer.anchor)
    builder.set_no_embed()
    return _sign(builder, signer, claim.mime, io.BytesIO(data), io.BytesIO())


def read(
    data: bytes, mime: str, *, anchors: bytes | None = None, beside: bytes | None = None
) -> Manifest:
    """Read and validate a manifest.

    Args:
        data: the whole file.
        mime: its media type.
        anchors: PEM certificates to trust; without them no signer is trusted.
        beside: the manifest, where it is not in the file.

    Raises:
        UnreadableManifestError: there is none, or it cannot be read.
    """
    if beside is None and mime not in SUPPORTED:
        raise UnreadableManifestError("unsupported", f"no manifest can be read from {mime}")
    try:
        with c2pa.Reader(
            mime, io.BytesIO(data), manifest_data=beside, context=_context(anchors)
        ) as reader:
            content = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound as error:
        raise UnreadableManifestError("unsigned", "the file carries no C2PA manifest") from error
    except c2pa.C2paError.NotSupported as error:
        raise UnreadableManifestError("unsupported", f"C2PA cannot read it: {error}") from error
    except c2pa.C2paError as error:
        raise UnreadableManifestError("unreadable", f"C2PA cannot read it: {error}") from error
    try:
        return _manifest(content)
    except (KeyError, TypeError, AttributeError) as error:  # a broken store names what it lacks
        raise UnreadableManifestError(
            "unreadable", "the file's manifest store does not hold together"
        ) from error


def _builder(claim: Claim, anchors: bytes | None) -> c2pa.Builder:
    context = _context(anchors)
    beside = [_described(item, context) for item in claim.ingredients if item.manifest is not None]
    definition: Json = {
        "title": claim.title,
        "format": claim.mime,
        "claim_generator_info": [
            {"name": "safegen", "version": version("safegen"), "specVersion": SPECIFICATION}
        ],
        "assertions": list(claim.assertions),
        "ingredients": list(beside),
    }
    builder = c2pa.Builder(definition, context)
    for item in claim.ingredients:
        if item.manifest is None:
            builder.add_ingredient(_named(item), item.mime, io.BytesIO(item.content))
        else:
            builder.add_resource(_resource(item), io.BytesIO(item.manifest))
    return builder


def _described(item: Ingredient, context: c2pa.Context) -> Json:
    """An ingredient whose manifest lies beside it; the SDK wants the last three or drops all."""
    with c2pa.Reader(
        item.mime, io.BytesIO(item.content), manifest_data=item.manifest, context=context
    ) as reader:
        content = json.loads(reader.json())
    return _named(item) | {
        "active_manifest": content["active_manifest"],
        "validation_results": content["validation_results"],
        "manifest_data": {"format": "application/c2pa", "identifier": _resource(item)},
    }


def _named(item: Ingredient) -> Json:
    named: Json = {
        "title": item.title,
        "format": item.mime,
        "label": item.name,
        "instance_id": item.name,
        "relationship": item.relationship,
    }
    return named | ({"data_types": [{"type": item.data_type}]} if item.data_type else {})


def _resource(item: Ingredient) -> str:
    return f"{item.name}.c2pa"


def _sign(
    builder: c2pa.Builder, signer: Signer, mime: str, source: io.BytesIO, target: io.BytesIO
) -> bytes:
    raised: list[Exception] = []

    def sign(data: bytes) -> bytes:
        try:
            return _raw(signer.sign(data))
        except Exception as error:
            raised.append(error)  # the SDK would say only that the signature is invalid
            raise

    callback = c2pa.Signer.from_callback(
        sign, c2pa.C2paSigningAlg.ES256, signer.chain.decode(), None
    )
    try:
        return bytes(builder.sign(callback, mime, source, target))
    except c2pa.C2paError as error:
        cause = raised[0] if raised else error
        raise KeyMaterialError(f"the signer could not sign: {cause}") from cause


def _raw(der: bytes) -> bytes:
    """An ES256 signature from DER to the r || s that COSE holds (RFC 9053, section 2.1)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _context(anchors: bytes | None) -> c2pa.Context:
    trust = {"trust_config": KEY_USAGES}
    if anchors is not None:
        trust["user_anchors"] = anchors.decode()
    return c2pa.Context.from_dict(
        {
            "trust": trust,
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )


def _manifest(content: Any) -> Manifest:  # noqa: ANN401 - the SDK's JSON
    active = content["manifests"][content["active_manifest"]]
    checks = content["validation_results"]["activeManifest"]
    signature = active.get("signature_info", {})
    return Manifest(
        label=content["active_manifest"],
        state=content["validation_state"],
        successes=tuple(dict.fromkeys(check["code"] for check in checks["success"])),
        failures=_reasons(checks["failure"]),
        broken_ingredients=_broken_ingredients(content),
        signer=f"{signature.get('common_name', 'unnamed')} ({signature.get('issuer', 'unnamed')})",
        assertions={entry["label"]: _fields(entry) for entry in active.get("assertions", [])},
    )


def _fields(assertion: Any) -> Json:  # noqa: ANN401 - likewise
    """An assertion's fields; one that has none is not what any step expects."""
    data = assertion.get("data")
    return data if isinstance(data, dict) else {"not an object": data}


def _broken_ingredients(content: Any) -> dict[str, str]:  # noqa: ANN401 - likewise
    """What is wrong inside ingredients; the SDK's own state passes over it in silence."""
    recorded = [
        status
        for manifest in content["manifests"].values()
        for ingredient in manifest.get("ingredients", [])
        for status in ingredient.get("validation_status") or []
    ]
    found = [
        failure
        for delta in content["validation_results"].get("ingredientDeltas") or []
        for failure in delta["validationDeltas"]["failure"]
    ]
    return {
        code: reason for code, reason in _reasons(recorded + found).items() if code != UNTRUSTED
    }


def _reasons(statuses: Any) -> dict[str, str]:  # noqa: ANN401 - likewise
    return {status["code"]: status.get("explanation", "") for status in statuses}
