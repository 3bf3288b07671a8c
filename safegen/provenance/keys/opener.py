"""The door to every custody; a key is named by a URI.

keys                                      a folder, as `safegen keys init keys` makes it
file:key.pem?chain=chain.pem              a key file, perhaps encrypted
env:SIGNING                               SIGNING_KEY and SIGNING_CHAIN
pkcs11:token=T;object=O?module-path=...   a hardware security module
aws-kms:KEY?chain=chain.pem               key services; so do gcp-kms: and azure-kv:
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from safegen.errors import KeyMaterialError
from safegen.provenance.keys import algorithms
from safegen.provenance.keys.chain import check_chain, is_self_signed, refusals
from safegen.provenance.keys.custody import local
from safegen.provenance.keys.custody.uri import Location, locate
from safegen.provenance.keys.house import is_root
from safegen.provenance.keys.profile import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from safegen.provenance.keys.custody.base import Custody
    from safegen.provenance.keys.signer import Signer
    from safegen.schemas.signature import Algorithm

TRIAL_MESSAGE = b"safegen: a trial, to see whether this key signs"
SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")  # one letter alone is a drive of Windows


def open_signer(uri: str | Path) -> Signer:
    """Open the signer that a URI names, and check that it can sign now.

    Args:
        uri: as above; a path without a scheme is a folder.

    Raises:
        KeyMaterialError: the key or chain is missing, does not fit, or would not be accepted by
            C2PA; in words.
    """
    custody = find_key(uri)
    found = custody.credentials()
    _require(custody, found.chain, found.anchor)
    signer = custody.signer()
    if signer.chain != found.chain_pem:  # rotated just now
        _require(custody, x509.load_pem_x509_certificates(signer.chain), found.anchor)
    _try(custody, signer)
    return signer


def open_list_signer(uri: str | Path) -> Signer:
    """Open whoever signs a list of revocations: a signer, or a root that may sign nothing else.

    Args:
        uri: as for `open_signer`; a root by its key file, `file:root.key?chain=root.pem`.

    Raises:
        KeyMaterialError: as for `open_signer`; or the root is not valid now.
    """
    custody = find_key(uri)
    chain = custody.credentials().chain
    if not (is_root(chain, chain) and is_self_signed(chain[0])):
        return open_signer(uri)
    root, now = chain[0], datetime.now(UTC)
    if not root.not_valid_before_utc <= now <= root.not_valid_after_utc:
        raise KeyMaterialError(f"{custody.place} is of a root that is not valid now")
    signer = _Root(custody.signer())
    _try(custody, signer)
    return signer


@dataclass(frozen=True, slots=True)
class _Root:
    """A signer that is its own root."""

    _inner: Signer

    @property
    def algorithm(self) -> Algorithm:
        return self._inner.algorithm

    @property
    def chain(self) -> bytes:
        return self._inner.chain

    @property
    def anchor(self) -> bytes:
        return self._inner.chain

    @property
    def key_pem(self) -> bytes | None:
        return self._inner.key_pem

    def sign(self, data: bytes) -> bytes:
        return self._inner.sign(data)


def check_signer(
    uri: str | Path, *, anchors: bytes | None = None, at: datetime | None = None
) -> tuple[Finding, ...]:
    """Everything for which a verifier would not trust what this signer makes; signs a trial.

    Args:
        uri: as for `open_signer`.
        anchors: roots in PEM that the verifier trusts; by default the root beside the key.
        at: when it would sign, with a time zone; now by default.

    Raises:
        KeyMaterialError: there are no certificates to examine.
    """
    custody = find_key(uri)
    found = custody.credentials()
    trusted = found.anchor if anchors is None else x509.load_pem_x509_certificates(anchors)
    findings = check_chain(found.chain, trusted, at=at)
    try:
        _try(custody, custody.signer())
    except KeyMaterialError as error:
        findings += (Finding(code="cannot-sign", grade="invalid", text=str(error)),)
    return findings


def find_key(uri: str | Path) -> Custody:
    """The custody that a URI names; nothing is opened yet.

    Raises:
        KeyMaterialError: no signer knows the scheme, or an option does not fit.
    """
    if isinstance(uri, Path) or not SCHEME.match(uri):
        return local.at_file(Location(scheme="file", place=_quoted(uri), options={}))
    scheme = uri.partition(":")[0]
    if scheme not in _OPENERS:
        raise KeyMaterialError(
            f"no signer here opens {scheme}: keys; name a folder, or one of "
            f"{', '.join(f'{known}:' for known in _OPENERS)}"
        )
    return _OPENERS[scheme](uri)


def _require(
    custody: Custody, chain: Sequence[x509.Certificate], anchor: Sequence[x509.Certificate] | None
) -> None:
    """Refuse what C2PA would refuse, before anything is signed or spent."""
    against = refusals(check_chain(chain, anchor))
    if against:
        others = len(against) - 1
        more = f" (and {others} more; see `safegen keys check`)" if others else ""
        raise KeyMaterialError(f"{custody.place} cannot sign: {against[0].text}{more}")


def _try(custody: Custody, signer: Signer) -> None:
    """A key that opens may still not sign: no permission, a wrong mechanism, another key."""
    leaf = x509.load_pem_x509_certificate(signer.chain)
    signature = signer.sign(TRIAL_MESSAGE)
    if not algorithms.verifies(signer.algorithm, leaf.public_key(), signature, TRIAL_MESSAGE):
        raise KeyMaterialError(f"{custody.place} is not the key of its certificate; pair them")


def _quoted(path: str | Path) -> str:
    return str(path).replace("%", "%25")  # a path is no URI: nothing in it is decoded


def _missing(extra: str, error: ImportError) -> KeyMaterialError:
    return KeyMaterialError(
        f"these keys need a package that is not installed ({error.name}); run "
        f"`pip install 'safegen[{extra}]'`"
    )


def _token(uri: str) -> Custody:
    try:
        from safegen.provenance.keys.custody.hsm import at_token
    except ImportError as error:
        raise _missing("hsm", error) from error
    return at_token(uri)


def _aws(uri: str) -> Custody:
    try:
        from safegen.provenance.keys.custody.aws import at_aws
    except ImportError as error:
        raise _missing("aws", error) from error
    return at_aws(locate(uri))


def _gcp(uri: str) -> Custody:
    try:
        from safegen.provenance.keys.custody.gcp import at_gcp
    except ImportError as error:
        raise _missing("gcp", error) from error
    return at_gcp(locate(uri))


def _azure(uri: str) -> Custody:
    try:
        from safegen.provenance.keys.custody.azure import at_azure
    except ImportError as error:
        raise _missing("azure", error) from error
    return at_azure(locate(uri))


_OPENERS: dict[str, Callable[[str], Custody]] = {
    "file": lambda uri: local.at_file(locate(uri)),
    "env": lambda uri: local.at_variables(locate(uri)),
    "pkcs11": _token,
    "aws-kms": _aws,
    "gcp-kms": _gcp,
    "azure-kv": _azure,
}
