"""Persons and organisations who stand for a file, beside its signer (CAWG identity assertion 1.1).

Such a statement has a signature of its own, by a certificate, or by an aggregator who looked at
somebody's accounts and documents. An aggregator is named by a decentralised identifier: one that is
a key itself can be checked here, one that names a host (`did:web`) would have to be asked, and
nobody is asked. Whatever comes of it says nothing about the file's bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from safegen.provenance.c2pa.manifest.statuses import concern, identity_in
from safegen.provenance.keys.shown import bounded, shown, signer_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from safegen.provenance.keys.trust import TrustList

IDENTITY_LABEL = "cawg.identity"
MAX_IDENTIFIER_LETTERS = 255  # letters of an aggregator's that are shown
MAX_NAMES = 3  # of somebody's names that are shown
VOUCHED = "cawg.x509.credential.trusted"
SIGNED = "cawg.x509.signature.validated"
UNLISTED = frozenset({"cawg.x509.credential.untrusted", "cawg.ica.untrusted_issuer"})
UNASKED = frozenset({"cawg.ica.did_unavailable"})
LAPSED = frozenset(
    {
        "cawg.x509.signature.outside_validity",
        "cawg.ica.valid_until.invalid",
        "cawg.ica.revoked",
        "cawg.ica.revocation_status",
    }
)
UNCLEAR = frozenset(  # of a kind, or by a means, that cannot be checked here
    {
        "cawg.identity.sig_type.unknown",
        "cawg.x509.algorithm.unsupported",
        "cawg.x509.credential.invalid",
        "cawg.ica.invalid_alg",
        "cawg.ica.invalid_content_type",
        "cawg.ica.invalid_did_document",
        "cawg.ica.invalid_issuer",
        "cawg.ica.revocation_unavailable",
        "cawg.ica.revocation_unsupported",
        "cawg.ica.time_stamp.invalid",
    }
)

State = Literal["trusted", "unlisted", "unasked", "lapsed", "unclear", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody who stands for a file.

    Attributes:
        name: as in the certificate, or as the aggregator says; as far as it can be read.
        vouched_by: the aggregator's identifier; None where a certificate is shown.
        trusted_by: the list that vouches for the certificate's root, or names the aggregator.
        state: `trusted` when it holds and `trusted_by` says so; `unlisted` when it holds; `unasked`
            when its aggregator would have to be asked; `lapsed` when it is out of date; `unclear`
            when it cannot be checked; `broken` when it is false: signed by another key, or said of
            another file.
        codes: what did not hold, with the reader's explanations.
    """

    name: str
    vouched_by: str | None
    trusted_by: str | None
    state: State
    codes: Mapping[str, str]


def identities_of(
    assertions: Any,  # noqa: ANN401 - the SDK's JSON
    checks: Any,  # noqa: ANN401 - likewise
    lists: Sequence[TrustList],
) -> tuple[Identity, ...]:
    """Who stands for a manifest, from its assertions and what checking them found.

    Args:
        assertions: of one manifest.
        checks: statuses by `success`, `informational` and `failure`.
        lists: of roots and aggregators whom the reader trusts about identities.
    """
    return tuple(
        _identity(entry.get("data"), dict(_about(label, checks)), lists)
        for label, entry in _labelled(assertions)
    )


def _labelled(assertions: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - likewise
    """Identity assertions by their label, which counts from the second on."""
    for entry in assertions or []:
        label, instance = str(entry.get("label")), entry.get("instance")
        if label == IDENTITY_LABEL:
            yield (f"{label}__{instance}" if instance else label), entry


def _about(label: str, checks: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - likewise
    for statuses in checks.values():
        for status in statuses if isinstance(statuses, list) else []:
            if identity_in(status.get("url") or "") == label:
                yield status["code"], status.get("explanation") or ""


def _identity(data: Any, said: Mapping[str, str], lists: Sequence[TrustList]) -> Identity:  # noqa: ANN401 - likewise
    data = data if isinstance(data, dict) else {}
    wrong = {code: text for code, text in said.items() if concern(code) == "identity"}
    issuer = str(data["issuer"]) if "issuer" in data else None
    trusted_by = _vouching(issuer, said, lists)
    state = _state(said, wrong, trusted_by)
    return Identity(
        name=_name(data),
        vouched_by=None if issuer is None else bounded(issuer, MAX_IDENTIFIER_LETTERS),
        trusted_by=trusted_by if state == "trusted" else None,
        state=state,
        codes=wrong,
    )


def _vouching(
    issuer: str | None, said: Mapping[str, str], lists: Sequence[TrustList]
) -> str | None:
    """The list that knows the root of a certificate, or an aggregator by its identifier."""
    if issuer is not None:
        return next((each.name for each in lists if issuer in each.issuers), None)
    _, found, rest = said.get(VOUCHED, "").partition("found in [")
    return rest.rpartition("] trust anchors")[0] if found else None


def _state(said: Mapping[str, str], wrong: Mapping[str, str], trusted_by: str | None) -> State:
    """The worst that was found; a code that is not known here is the worst of all."""
    against = wrong.keys() - UNLISTED
    if against - UNASKED - LAPSED - UNCLEAR:
        return "broken"
    if against & UNCLEAR or not said.keys() & (UNLISTED | UNASKED | LAPSED | {VOUCHED, SIGNED}):
        return "unclear"
    if against & LAPSED:
        return "lapsed"
    if against & UNASKED:
        return "unasked"
    return "trusted" if trusted_by is not None else "unlisted"


def _name(data: Mapping[str, Any]) -> str:
    """Whom an assertion names, as the SDK decodes it."""
    signature = data.get("signature_info")
    if isinstance(signature, dict):
        return signer_name(signature)
    verified = data.get("verifiedIdentities")
    names = [_verified(each) for each in verified] if isinstance(verified, list) else []
    told = list(dict.fromkeys(filter(None, names)))
    more = f" and {len(told) - MAX_NAMES:,} more names" if len(told) > MAX_NAMES else ""
    return f"{', '.join(told[:MAX_NAMES])}{more}" or "somebody whose name cannot be read"


def _verified(identity: Any) -> str:  # noqa: ANN401 - likewise
    """One name, with whoever runs the account that bears it."""
    if not isinstance(identity, dict):
        return ""
    name = shown(str(identity.get("name") or identity.get("username") or identity.get("uri") or ""))
    provider = identity.get("provider")
    by = (
        shown(str(provider.get("name") or provider.get("id") or ""))
        if isinstance(provider, dict)
        else ""
    )
    return f"{name} ({by})" if name and by else name
