"""What a C2PA verifier would say of a chain of certificates, before anything is signed with it.

    leaf  <- issued by -  issuing CA  <- issued by -  root, on the verifier's list

C2PA's own tools say only "the certificate is invalid". `check_chain` says which, and why, and finds
everything at once. What it calls good, two independent verifiers call Trusted. Whether a chain
leads to a root at all is settled in one place for files, receipts and heads of logs: `paths`.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from safegen.provenance.keys import algorithms, paths, profile
from safegen.provenance.keys.pem import UNREADABLE
from safegen.provenance.keys.profile import Finding, issuer_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from safegen.schemas.signature import Algorithm

Certificates = tuple[x509.Certificate, ...]

NAMES_NONE = {"no-path", "self-signed", "no-anchor"}

__all__ = ["Finding", "broken_path", "check_chain", "is_self_signed", "issued", "refusals"]


def check_chain(
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate] | None = None,
    *,
    at: datetime | None = None,
    algorithm: Algorithm | None = None,
) -> tuple[Finding, ...]:
    """Everything for which a verifier would not say Trusted, and what should be mended besides.

    Args:
        chain: as it would be sent: leaf first, each followed by whoever issued it, no root.
        anchors: the roots that the verifier trusts; None where they are not known.
        at: the time of the signature, with a time zone; now by default.
        algorithm: what the signature will be, where that is decided elsewhere.
    """
    if not chain:
        text = "there is no certificate; a signature needs its signer's certificate chain"
        return (Finding(code="no-certificate", grade="invalid", text=text),)
    unreadable = tuple(_unreadable([*chain, *(anchors or ())]))
    if unreadable:
        return unreadable
    at = at or datetime.now(UTC)
    leaf, *others = _leaf_first(chain)
    refused = paths.refusal(leaf, others, anchors, at) if anchors else None
    findings = tuple(_findings(tuple(chain), anchors, at, algorithm, valid=refused is None))
    if refused is not None and all(finding.grade == "note" for finding in findings):
        return (*findings, _refused(leaf, refused))
    return findings


def settled_path(chain: Certificates, anchors: bytes, at: datetime) -> Finding | None:
    """The same as `broken_path`, with PEM anchors; that it leads there is kept, for other files."""
    roots = _roots(anchors)
    leads = _leads(chain, roots, paths.moment_of(at, (*chain, *roots)))
    return None if leads else broken_path(chain, roots, at)


@functools.lru_cache(maxsize=16)
def _roots(anchors: bytes) -> Certificates:
    return tuple(x509.load_pem_x509_certificates(anchors))


@functools.lru_cache(maxsize=64)  # a folder's files mostly share their signer
def _leads(chain: Certificates, anchors: Certificates, at: datetime) -> bool:
    return paths.refusal(chain[0], chain[1:], anchors, at) is None


def broken_path(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime
) -> Finding | None:
    """Why a chain does not lead to the trusted root that it names; None when it does.

    Also None when it names no trusted root: then there is nothing to say against it.

    Args:
        chain: as it was shown: leaf first.
        anchors: the roots that are trusted.
        at: the time of the signature, with a time zone.
    """
    refused = paths.refusal(chain[0], chain[1:], anchors, at)
    if refused is None:
        return None
    against = [each for each in check_chain(chain, anchors, at=at) if each.grade == "untrusted"]
    if any(each.code in NAMES_NONE for each in against):
        return None
    return against[0] if against else _refused(chain[0], refused)


def refusals(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those that speak against signing at all; not that no root was named, nor notes."""
    return tuple(item for item in findings if item.grade != "note" and item.code != "no-anchor")


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether one certificate was issued under the name and by the key of another.

    A signature too weak to be verified here counts as its issuer's: the profile's rule against
    weak signatures refuses it in any case.
    """
    if certificate.issuer != issuer.subject:
        return False
    if certificate.signature_algorithm_oid not in profile.VERIFIABLE_SIGNATURES:
        return True
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate was issued by its own key, as roots are."""
    return issued(certificate, certificate)


def _unreadable(certificates: Sequence[x509.Certificate]) -> Iterator[Finding]:
    for certificate in certificates:
        if not profile.has_readable_extensions(certificate):
            text = f"{name_of(certificate)} has extensions that cannot be read; ask for a new one"
            yield Finding(code="unreadable", grade="invalid", text=text)


def _findings(
    chain: Certificates,
    anchors: Sequence[x509.Certificate] | None,
    at: datetime,
    algorithm: Algorithm | None,
    *,
    valid: bool,
) -> Iterator[Finding]:
    path = _path(chain)
    yield from _order(chain, path)
    if len(path) > 1 and is_self_signed(path[-1]):
        path = path[:-1]
    leaf = path[0]
    yield from profile.leaf_findings(leaf, at)
    yield from _mismatch(leaf, algorithm)
    path, root = _anchored(path, anchors or ())
    for below, issuer in enumerate(path[1:]):
        yield from profile.issuer_findings(issuer, below, at)
    if root is not None:
        found = profile.root_findings(root, len(path) - 1, at)
        yield from (each for each in found if each.grade == "note" or not valid)
    else:
        yield _nobody_vouches(path[-1], anchors)


def _refused(leaf: x509.Certificate, reason: str) -> Finding:
    text = f"{reason}; so {name_of(leaf)} does not lead to a trusted root; ask its issuer"
    return Finding(code="path-invalid", grade="untrusted", text=text)


def _path(chain: Certificates) -> Certificates:
    """The leaf and whoever issued it, as far as the chain goes, in the order they should have."""
    leaf, *rest = _leaf_first(chain)
    path = [leaf]
    while issuer := next((one for one in rest if issued(path[-1], one)), None):
        path.append(issuer)
        rest.remove(issuer)
    return tuple(path)


def _leaf_first(chain: Sequence[x509.Certificate]) -> Certificates:
    leaf = next((one for one in chain if not profile.is_authority(one)), chain[0])
    return leaf, *(one for one in chain if one != leaf)


def _order(chain: Certificates, path: Certificates) -> Iterator[Finding]:
    given = tuple(dict.fromkeys(chain))
    if len(given) < len(chain):
        text = "the chain holds a certificate twice; once is enough"
        yield Finding(code="twice", grade="note", text=text)
    if given == path:
        pass
    elif set(given) == set(path):
        right = ", then ".join(name_of(one) for one in path)
        text = f"the chain is out of order; it must hold {right}: leaf first, then who issued it"
        leaf_first = given[0] == path[0]
        grade: profile.Grade = "untrusted" if leaf_first else "invalid"
        yield Finding(code="out-of-order", grade=grade, text=text)
    else:
        yield from (_wrong_issuer(*pair) for pair in pairwise(given) if not issued(*pair))
    if len(path) > 1 and is_self_signed(path[-1]):
        text = (
            f"the chain ends with its root, {name_of(path[-1])}; leave it out: a verifier has its "
            "own"
        )
        yield Finding(code="root-included", grade="note", text=text)


def _wrong_issuer(certificate: x509.Certificate, follower: x509.Certificate) -> Finding:
    text = (
        f"{name_of(certificate)} was not issued by {name_of(follower)}, which follows it in the "
        f"chain; put the certificate of {issuer_of(certificate)} there"
    )
    return Finding(code="wrong-issuer", grade="untrusted", text=text)


def _mismatch(leaf: x509.Certificate, algorithm: Algorithm | None) -> Iterator[Finding]:
    made = algorithms.algorithm_of(leaf.public_key())
    if algorithm is not None and made not in {algorithm, None}:
        text = (
            f"{name_of(leaf)} is over a key for {made}, and the signature would be {algorithm}; "
            "pair the key with its own certificate"
        )
        yield Finding(code="algorithm-mismatch", grade="invalid", text=text)


def _anchored(
    path: Certificates, anchors: Sequence[x509.Certificate]
) -> tuple[Certificates, x509.Certificate | None]:
    """The path up to where a trusted certificate is met, and that certificate."""
    for place, certificate in enumerate(path):
        if certificate in anchors:
            return path[: max(place, 1)], certificate
        for root in anchors:
            if issued(certificate, root):
                return path[: place + 1], root
    return path, None


def _nobody_vouches(last: x509.Certificate, anchors: Sequence[x509.Certificate] | None) -> Finding:
    if is_self_signed(last):
        text = (
            f"{name_of(last)} is signed by nobody but itself; only whoever lists this very "
            "certificate will trust it"
        )
        return Finding(code="self-signed", grade="untrusted", text=text)
    if anchors is None:
        text = (
            f"no root was named, so nobody vouches for {issuer_of(last)}: verifiers would say "
            "Valid, which does not tell who signed; name the root with --trust"
        )
        return Finding(code="no-anchor", grade="untrusted", text=text)
    namesakes = [root for root in anchors if root.subject == last.issuer]
    trusted = ", ".join(name_of(root) for root in anchors) or "none"
    reason = (
        "a root of that name is trusted, but its key did not sign this"
        if namesakes
        else f"it is neither in the chain nor among the trusted roots ({trusted})"
    )
    text = (
        f"{name_of(last)} was not issued by a trusted root: it names {issuer_of(last)}, and "
        f"{reason}; complete the chain, or name its own root"
    )
    return Finding(code="no-path", grade="untrusted", text=text)
