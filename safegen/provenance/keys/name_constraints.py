"""Name constraints on directory names: RFC 5280, section 4.2.1.10; pure.

An authority may be allowed to certify some names only. `cryptography.x509.verification` compares
alternative names (hosts, addresses, mail). Signers of C2PA claims mostly have none of these but a
directory name (their subject), which it does not compare: that is done here, and mail addresses in
a subject with it.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from safegen.provenance.keys.profile import extension_of, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_Value = TypeVar("_Value")
_Rdn = frozenset[tuple[ObjectIdentifier, str | bytes]]


def constrains_directories(certificate: x509.Certificate) -> bool:
    """Whether an authority may certify some directory names only."""
    constraints = extension_of(certificate, x509.NameConstraints)
    return constraints is not None and bool(_directories(_all(constraints.value)))


def others(constraints: x509.NameConstraints) -> x509.NameConstraints | None:
    """The constraints that are not on directory names; None where there are none."""

    def kept(names: Iterable[x509.GeneralName] | None) -> list[x509.GeneralName] | None:
        return [each for each in names or () if not isinstance(each, x509.DirectoryName)] or None

    permitted = kept(constraints.permitted_subtrees)
    excluded = kept(constraints.excluded_subtrees)
    return x509.NameConstraints(permitted, excluded) if permitted or excluded else None


def violation(path: Sequence[x509.Certificate]) -> str | None:
    """Which certificate has a name that an authority above it may not certify, in words.

    Args:
        path: leaf first, each followed by whoever issued it.
    """
    for place, issuer in enumerate(path):
        constraints = extension_of(issuer, x509.NameConstraints)
        if constraints is None:
            continue
        for below in path[:place]:
            rolled_over = below.subject == below.issuer and below != path[0]
            if not rolled_over and not _may_be_named(below, constraints.value):
                return f"{name_of(issuer)} may not issue certificates for {name_of(below)}"
    return None


def _may_be_named(certificate: x509.Certificate, constraints: x509.NameConstraints) -> bool:
    alternatives = extension_of(certificate, x509.SubjectAlternativeName)
    directories = [certificate.subject] if certificate.subject.rdns else []
    if alternatives is not None:
        directories += alternatives.value.get_values_for_type(x509.DirectoryName)
    mail = [
        str(each.value)
        for each in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)
    ]
    permitted, excluded = constraints.permitted_subtrees, constraints.excluded_subtrees
    return _within(
        directories, _directories(permitted), _directories(excluded), _below
    ) and _within(mail, _mail(permitted), _mail(excluded), _of_host)


def _within(
    names: Iterable[_Value],
    permitted: Sequence[_Value],
    excluded: Sequence[_Value],
    matches: Callable[[_Value, _Value], bool],
) -> bool:
    """Whether each name is below a permitted one, if any is, and below no excluded one."""
    return all(
        (not permitted or any(matches(name, base) for base in permitted))
        and not any(matches(name, base) for base in excluded)
        for name in names
    )


def _below(name: x509.Name, base: x509.Name) -> bool:
    start = [_comparable(rdn) for rdn in base.rdns]
    return [_comparable(rdn) for rdn in name.rdns][: len(start)] == start


def _comparable(rdn: x509.RelativeDistinguishedName) -> _Rdn:
    """Without regard to case, spaces and ways to write a letter: RFC 5280, section 7.1.

    Letters that nobody sees are nothing (RFC 4518, section 2.2): an excluded name with a soft
    hyphen in it is still excluded.
    """
    return frozenset((each.oid, _folded(each.value)) for each in rdn)


def _folded(value: str | bytes) -> str | bytes:
    if isinstance(value, bytes):
        return value
    spaced = " ".join(value.split())
    seen = "".join(each for each in spaced if unicodedata.category(each) not in {"Cf", "Cc"})
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().split())


def _of_host(address: str, base: str) -> bool:
    """Whether a mail address is the one, at the host, or below the domain that a base names."""
    address, base = address.casefold(), base.casefold()
    if "@" in base:
        return address == base
    host = address.rpartition("@")[2]
    return host.endswith(base) if base.startswith(".") else host == base


def _all(constraints: x509.NameConstraints) -> list[x509.GeneralName]:
    return [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]


def _directories(names: Iterable[x509.GeneralName] | None) -> list[x509.Name]:
    return [each.value for each in names or () if isinstance(each, x509.DirectoryName)]


def _mail(names: Iterable[x509.GeneralName] | None) -> list[str]:
    return [each.value for each in names or () if isinstance(each, x509.RFC822Name)]
