"""Whether two signers are one house: who may speak of whose files, and take back whose keys.

Anybody may be trusted for his own files and not for another's: a root on a list of trust vouches
for names, not for what they say of each other. So a receipt, a head of a log or a revocation counts
for a file only when it comes from the file's own signer, or from a successor of his key:

- the same certificate, or another over the same key and name; or
- another that leads to the same trusted root, issued under the same name to the same subject. RFC
  5280, 4.1.2.6, has an authority give one subject's name to one holder only, so that this is
  whoever `safegen keys rotate`, or an authority's renewal, gave a new key.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from safegen.provenance.keys.chain import issued
from safegen.provenance.keys.pem import parsed_pem
from safegen.provenance.keys.profile import extension_of, is_authority
from safegen.schemas.canonical import sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate


def same_house(
    one: Sequence[Certificate], other: Sequence[Certificate], anchors: Sequence[Certificate]
) -> bool:
    """Whether two chains are one signer's; that each is sound is settled elsewhere.

    Args:
        one: a chain, leaf first.
        other: another.
        anchors: the roots that are trusted; without them only a key is known again.
    """
    if not one or not other or not one[0].subject.rdns:
        return False
    mine, theirs = one[0], other[0]
    if mine.subject != theirs.subject:
        return False
    if mine == theirs or key_id(mine) == key_id(theirs):
        return True
    roots = root_of(one, anchors), root_of(other, anchors)
    return roots[0] is not None and roots[0] == roots[1] and mine.issuer == theirs.issuer


def speaks_for(
    signer: Sequence[Certificate], chain: Sequence[Certificate], anchors: Sequence[Certificate]
) -> bool:
    """Whether what somebody takes back counts for a signer: he is the same house, or its root.

    Args:
        signer: the chain of whoever takes something back, leaf first.
        chain: of the one whose files it would count for.
        anchors: the roots that are trusted.
    """
    if is_root(signer, anchors):
        return root_of(chain, anchors) == signer[0]
    return same_house(chain, signer, anchors)


def is_root(chain: Sequence[Certificate], anchors: Sequence[Certificate]) -> bool:
    """Whether who shows a chain is a trusted root that may sign what it takes back.

    RFC 5280, 4.2.1.3: the bit cRLSign says that a key may sign lists of revocations.
    """
    if len(chain) != 1 or chain[0] not in anchors:
        return False
    usage = extension_of(chain[0], x509.KeyUsage)
    return is_authority(chain[0]) and (usage is None or usage.value.crl_sign)


def root_of(chain: Sequence[Certificate], anchors: Sequence[Certificate]) -> Certificate | None:
    """The trusted certificate that a chain, leaf first, leads to; None when it leads to none."""
    rest = list(chain)
    at = rest.pop(0) if rest else None
    while at is not None and at not in anchors:
        root = next((each for each in anchors if issued(at, each)), None)
        if root is not None:
            return root
        at = next((each for each in rest if issued(at, each)), None)
        rest = [each for each in rest if each != at]
    return at


def key_id(certificate: Certificate) -> str:
    """A key's name: the SHA-256 of its SubjectPublicKeyInfo in DER, whatever certificate it has."""
    return sha256(
        certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


@functools.lru_cache(maxsize=64)
def certificates(pem: bytes | str | None) -> tuple[Certificate, ...]:
    """Certificates of a PEM text; none when it is not one, or one of them cannot be read."""
    data = pem.encode() if isinstance(pem, str) else pem
    try:
        return parsed_pem(data) if data else ()
    except ValueError:
        return ()
