"""The C2PA SDK and its measured traps; the only importer of c2pa.

The SDK truncates a source that it signs in place, leaves an empty file when signing fails, accepts
unknown settings in silence, hides what a signer raised, calls a proper claim-signing leaf invalid
unless its extended key usages are listed, lets a root that was given for time-stamps vouch for
signers, and asks any host that a manifest names as somebody's identity. So everything here happens
in memory, and settings are spelled out once.
"""

from __future__ import annotations

import functools
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import c2pa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from safegen.errors import DataError, KeyMaterialError, SafegenError, TimeStampError
from safegen.provenance.c2pa.unreadable import why
from safegen.provenance.media.formats import called

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from safegen.provenance.c2pa.claims import Json
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.keys.trust import Trust, TrustList

KEY_USAGES = (
    "1.3.6.1.4.1.62558.2.1\n"  # C2PA claim signing
    "1.3.6.1.5.5.7.3.36\n"  # document signing
    "1.3.6.1.5.5.7.3.4\n"  # email protection, which older C2PA signers carry
)
READABLE_TYPES = frozenset(c2pa.Reader.get_supported_mime_types())
HASH_PREFIX = "c2pa.hash."
EXPIRED = "signingCredential.expired"
IDENTITY = "cawg.identity"
TIME_LIST_PREFIX = "time-stamps: "  # before the name of a list that vouches for times alone

_ALGORITHMS = {
    "es256": c2pa.C2paSigningAlg.ES256,
    "es384": c2pa.C2paSigningAlg.ES384,
    "ed25519": c2pa.C2paSigningAlg.ED25519,
    "ps256": c2pa.C2paSigningAlg.PS256,
}
_COORDINATE_BYTES = {"es256": 32, "es384": 48}  # bytes of r and of s (RFC 9053, section 2.1)
# Seconds that the SDK waits for an authority; it offers no other limit.
_TIMESTAMP_TIMEOUT_SECONDS = 30

RAW_MIME = "application/octet-stream"
_ASKED = {"application/zip": "application/x-zip"}  # types that the SDK knows by another name

_REFUSED = {  # what the SDK raises although C2PA has a code for it
    "AssertionNotFound: ": (
        "assertion.undeclared",
        "its manifest, or that of something it was made from, holds a statement that nobody signed",
    ),
    "claim missing hard binding": (
        "claim.hardBindings.missing",
        "its manifest is not tied to any content",
    ),
}

Problem = Literal["unsigned", "unsupported", "unreadable", "remote", "refused"]


class UnreadableManifestError(SafegenError):
    """No manifest could be read; `problem` says which kind of none.

    `remote`: the file names an address from which one could be fetched, and nothing is. `refused`:
    there is one, and it is wrong in a way that C2PA has a code for, which is in `code`.
    """

    exit_code = 1

    def __init__(self, problem: Problem, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.problem, self.code = problem, code


def read_store(data: bytes, mime: str, *, trust: Trust | None, beside: bytes | None) -> Any:  # noqa: ANN401 - the SDK's JSON
    """Read and validate a manifest store; the SDK's report, as it comes.

    Under `store` it has the manifest store itself, of whose certificates the SDK tells little, and
    under `hashes` the hash assertions of the manifest that binds the file.

    Args:
        data: the whole file.
        mime: its media type.
        trust: whom to trust; None for nobody.
        beside: the store, where it is not in the file.

    Raises:
        UnreadableManifestError: there is none, or it cannot be read.
    """
    mime = _ASKED.get(mime, mime)
    if beside is None and mime not in READABLE_TYPES:
        raise UnreadableManifestError("unsupported", f"no manifest can be read from {called(mime)}")
    try:
        context = _context(trust)
        with c2pa.Reader(mime, io.BytesIO(data), manifest_data=beside, context=context) as reader:
            report = reader.json()
            content = json.loads(report)
            content["store"] = _store_bytes(reader, content["active_manifest"])
            if trust is not None and trust.identities and IDENTITY in report:
                content["identity_results"] = _identity_results(data, mime, trust, beside)
            content["hashes"] = _hashes(json.loads(reader.detailed_json()), content)
            if EXPIRED in report:  # only another form of the report tells the certificate's dates
                content["certificate_info"] = _certificate_info(json.loads(reader.crjson()))
            return content
    except c2pa.C2paError.ManifestNotFound as error:
        raise UnreadableManifestError("unsigned", "the file carries no C2PA manifest") from error
    except c2pa.C2paError.NotSupported as error:
        text = f"no manifest can be read from {called(mime)} as this one is"
        raise UnreadableManifestError("unsupported", text) from error
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        raise _unreadable(error, mime) from error
    except (KeyError, TypeError, AttributeError) as error:  # a broken store names what it lacks
        text = "the file's manifest store does not hold together"
        raise UnreadableManifestError("unreadable", text) from error


def _unreadable(error: Exception, mime: str) -> UnreadableManifestError:
    """Why there is no report, in our words; the SDK's are for whoever knows its code."""
    if elsewhere := re.search(r"must fetch remote manifests from url (\S{1,500})", str(error)):
        text = f"its manifest lies at {elsewhere[1]}, and nothing is fetched from there"
        return UnreadableManifestError("remote", text)
    if "naked codestream" in str(error):
        text = "it is a JPEG XL without a container, which can carry no manifest"
        return UnreadableManifestError("unsupported", text)
    for said, (code, text) in _REFUSED.items():
        if said in str(error):
            return UnreadableManifestError("refused", text, code)
    return UnreadableManifestError("unreadable", why(error, mime))


def _store_bytes(reader: c2pa.Reader, label: str) -> bytes:
    """The manifest store; empty where the SDK does not give it out."""
    target = io.BytesIO()
    try:
        reader.resource_to_stream(label, target)
    except c2pa.C2paError:
        return b""
    return target.getvalue()


def _identity_results(data: bytes, mime: str, trust: Trust, beside: bytes | None) -> Any:  # noqa: ANN401 - likewise
    """What checking finds with the lists of identities alone.

    With all lists at once, the SDK lets those of identities vouch for signers, too.
    """
    context = _identity_context(trust)
    with c2pa.Reader(mime, io.BytesIO(data), manifest_data=beside, context=context) as reader:
        return json.loads(reader.json())["validation_results"]["activeManifest"]


def _hashes(detailed: Any, content: Any) -> Any:  # noqa: ANN401 - likewise
    """The hash assertions of the active manifest; an update has its parent's (C2PA, 11.2.3)."""
    label, seen = content["active_manifest"], set()
    while label in detailed["manifests"] and label not in seen:
        seen.add(label)
        assertions = detailed["manifests"][label].get("assertion_store") or {}
        found = {name: said for name, said in assertions.items() if name.startswith(HASH_PREFIX)}
        if found:
            return found
        for item in content["manifests"].get(label, {}).get("ingredients") or []:
            if item.get("relationship") == "parentOf":
                label = item.get("active_manifest")
    return {}


def _certificate_info(report: Any) -> Any:  # noqa: ANN401 - likewise
    """What the SDK's longer report says of the certificate of the active manifest, its first."""
    for manifest in report.get("manifests") or []:
        return (manifest.get("signature") or {}).get("certificateInfo")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A manifest as the SDK takes it.

    Attributes:
        manifest: in the SDK's JSON form.
        resources: what it refers to, by identifier.
        embedded: ingredients that carry their own manifest: description, media type, bytes.
    """

    manifest: Json
    resources: Mapping[str, bytes]
    embedded: Sequence[tuple[Json, str, bytes]]


def sign_store(
    definition: Definition,
    *,
    data: bytes,
    mime: str,
    signer: Signer,
    trust: Trust | None,
    stamps: str | None,
    beside: bool,
) -> bytes:
    """Sign a manifest store for a file.

    Args:
        definition: the manifest.
        data: the file.
        mime: its media type.
        signer: who signs.
        trust: whom to trust when the state of such ingredients is written down.
        stamps: address of a time-stamp authority (RFC 3161), or None. One that is silent is waited
            for during half a minute; the SDK has no shorter limit.
        beside: whether the store stays out of the file.

    Returns:
        The signed file; or the store, where that stays beside the file.

    Raises:
        KeyMaterialError: the signer could not sign; in its own words.
        TimeStampError: the authority gave no time-stamp.
        DataError: no manifest can be made for these bytes.
    """
    target = io.BytesIO()
    attempt = _Attempt(signer)
    try:
        builder = c2pa.Builder(definition.manifest, _context(trust))
        for identifier, content in definition.resources.items():
            builder.add_resource(identifier, io.BytesIO(content))
        for described, kind, content in definition.embedded:
            builder.add_ingredient(described, _ASKED.get(kind, kind), io.BytesIO(content))
        if beside:
            builder.set_no_embed()
        # Beside the file every byte of it is bound: by its own type the SDK would leave out where
        # another manifest lies, and refuse what it cannot take apart (docs/decisions/0030).
        kind = RAW_MIME if beside else mime
        store = builder.sign(_sdk_signer(signer, stamps, attempt), kind, io.BytesIO(data), target)
    except c2pa.C2paError as error:
        raise _failure(error, attempt, mime, stamps) from (attempt.raised or error)
    return bytes(store) if beside else target.getvalue()


@dataclass(slots=True)
class _Attempt:
    """One signing by way of a callback: how far it came, and what it broke on.

    Attributes:
        signer: who signs.
        signed: whether it did; a time-stamp is asked for only afterwards.
        raised: what it raised instead, of which the SDK would say nothing.
    """

    signer: Signer
    signed: bool = False
    raised: Exception | None = None

    def __call__(self, data: bytes) -> bytes:
        """Sign, in the form that COSE wants."""
        try:
            signature = _raw(self.signer.sign(data), _COORDINATE_BYTES.get(self.signer.algorithm))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told
            self.raised = error
            return b""  # an exception the SDK would print; nothing it takes for a failure
        self.signed = True
        return signature


def _failure(
    error: c2pa.C2paError, attempt: _Attempt, mime: str, stamps: str | None
) -> SafegenError:
    """What kept the SDK from signing, told apart by who is to blame."""
    if attempt.raised is not None:
        cause = attempt.raised
        return cause if isinstance(cause, KeyMaterialError) else _unfit(str(cause))
    if isinstance(error, c2pa.C2paError.Signature):
        if stamps is not None and attempt.signed:
            return TimeStampError(
                f"the time-stamp authority {_address(stamps)} {_silence(str(error))}; try again, "
                "or sign without one where the policy allows it"
            )
        return _unfit(_said(error))
    return DataError(f"no manifest can be put into this {mime}: {_said(error)}; is the file whole?")


def _unfit(cause: str) -> KeyMaterialError:
    return KeyMaterialError(f"the signer could not sign: {cause}")


def _silence(error: str) -> str:
    """Why there is no time-stamp."""
    status = re.search(r"status = (\d+)", error)
    if status:
        return f"answered with HTTP status {status[1]} instead of a time-stamp"
    if "http resolver" in error:
        return f"cannot be reached, or gave no answer within {_TIMESTAMP_TIMEOUT_SECONDS} seconds"
    return "answered with something that is no time-stamp of this signature"


def _address(url: str) -> str:
    """An authority's address without a password or a token that may be in it."""
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _said(error: Exception) -> str:
    """The SDK's words without the names of its own classes in front of them."""
    return re.sub(r"^(?:[A-Z][A-Za-z]+: )+", "", str(error))


def _sdk_signer(signer: Signer, stamps: str | None, attempt: _Attempt) -> c2pa.Signer:
    """The SDK's view of a signer; it signs itself where the key is here, in a smaller manifest.

    Not with a time-stamp: then only a callback tells a signer's failure from the authority's.
    """
    key = signer.key_pem
    if key is not None and stamps is None:
        return _local_signer(signer.algorithm, signer.chain, key)
    return c2pa.Signer.from_callback(
        attempt, _ALGORITHMS[signer.algorithm], signer.chain.decode(), stamps
    )


@functools.lru_cache(maxsize=4)
def _local_signer(algorithm: str, chain: bytes, key: bytes) -> c2pa.Signer:
    """A signer inside the SDK; shared between threads, since making one takes a while."""
    return c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(alg=algorithm.encode(), sign_cert=chain, private_key=key, ta_url=None)
    )


def _raw(signature: bytes, coordinate: int | None) -> bytes:
    """An ECDSA signature from DER to the r || s that COSE holds; others as they are."""
    if coordinate is None:
        return signature
    r, s = decode_dss_signature(signature)
    return r.to_bytes(coordinate, "big") + s.to_bytes(coordinate, "big")


@functools.lru_cache(maxsize=16)
def _context(trust: Trust | None) -> c2pa.Context:
    """The SDK's settings; shared between threads, since making them takes a tenth of reading."""
    lists: list[Json] = []
    if trust is not None:
        signers = _lists(trust.signers, "manifest")
        lists = [*signers, *_lists(trust.only_time_stamps, "tsa", TIME_LIST_PREFIX)]
    return _settings(lists)


@functools.lru_cache(maxsize=16)
def _identity_context(trust: Trust) -> c2pa.Context:
    """The same with the lists of identities alone."""
    return _settings(_lists([each for each in trust.identities if each.pem], "cawg"))


def _settings(lists: list[Json]) -> c2pa.Context:
    return c2pa.Context.from_dict(
        {
            "trust": {"trust_config": KEY_USAGES, "anchors": lists},
            # Neither identities' hosts nor any other address in a manifest; a signer's authority
            # for time-stamps is named by the user and does not come under this.
            "core": {"allowed_network_hosts": [], "allow_redirects": False},
            "verify": {
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
                "verify_after_sign": False,  # `manifest.sign` reads back with the signer's root
            },
            "builder": {"thumbnail": {"enabled": False}},
        }
    )


def _lists(lists: Sequence[TrustList], kind: str, prefix: str = "") -> list[Json]:
    return [
        {
            "trust_anchors": each.pem.decode(),
            "trust_uri": f"{prefix}{each.name}",
            "trust_kind": kind,
        }
        for each in lists
    ]
