"""Whom to trust: named lists of roots, for signers, for time-stamps and for identities apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.pem import UNREADABLE, certificates_pem, parsed_pem
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OWN, TIMES = "the signer's own root", "the signer's time-stamp authorities"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustList:
    """Roots under a name, so that a verdict can say which list it rests on.

    Attributes:
        name: what people call it; its file by default.
        pem: certificates, one after the other.
        issuers: decentralised identifiers of aggregators, on a list of identities.
    """

    name: str
    pem: bytes
    issuers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The lists of one verification.

    Attributes:
        signers: roots of those who sign content.
        time_stamps: roots of time-stamp authorities; they vouch for times and for nobody's content.
        identities: roots and aggregators who say who somebody is; they vouch for nobody's content.
        witnesses: roots of those whose logs and receipts count for files of others, too.
    """

    signers: tuple[TrustList, ...]
    time_stamps: tuple[TrustList, ...] = ()
    identities: tuple[TrustList, ...] = ()
    witnesses: tuple[TrustList, ...] = ()

    @property
    def anchors(self) -> bytes:
        """All roots of signers, in PEM."""
        return b"".join(each.pem for each in self.signers)

    @property
    def witness_anchors(self) -> bytes:
        """All roots of witnesses, in PEM."""
        return b"".join(each.pem for each in self.witnesses)

    def renamed(self, name: Callable[[str], str]) -> Trust:
        """The same lists under other names."""
        lists = (self.signers, self.time_stamps, self.identities, self.witnesses)
        signers, time_stamps, identities, witnesses = (
            tuple(replace(each, name=name(each.name)) for each in several) for several in lists
        )
        return Trust(
            signers=signers, time_stamps=time_stamps, identities=identities, witnesses=witnesses
        )

    @property
    def only_time_stamps(self) -> tuple[TrustList, ...]:
        """The lists of authorities without roots that are signers' as well.

        Of a root on two lists the C2PA SDK names either; a signer's root already vouches for the
        authorities below it.
        """
        known = set(_split(self.anchors))
        lists = (
            TrustList(
                name=each.name, pem=b"".join(pem for pem in _split(each.pem) if pem not in known)
            )
            for each in self.time_stamps
        )
        return tuple(each for each in lists if each.pem)


def trust_in(anchors: bytes | None, times: bytes | None = None) -> Trust | None:
    """Trust in a signer's own root, and in roots of time-stamps; None where the first is not known.

    The lists get names that say nothing of where they lie, since a manifest keeps them.
    """
    if anchors is None:
        return None
    return Trust(
        signers=(TrustList(name=OWN, pem=anchors),),
        time_stamps=() if times is None else (TrustList(name=TIMES, pem=times),),
    )


def read_trust(
    signers: Iterable[str | Path],
    time_stamps: Iterable[str | Path] = (),
    identities: Iterable[str | Path] = (),
    witnesses: Iterable[str | Path] = (),
) -> Trust | None:
    """Read lists from PEM files; None when none was named.

    C2PA's public lists are such files, and can be named here. In a list of identities, lines that
    begin with `did:` name aggregators.

    Raises:
        KeyMaterialError: a file holds no certificates, nor aggregators where they may be.
        StorageError: a file cannot be read.
    """
    own, stamping, seeing = (
        tuple(_list(Path(each)) for each in paths) for paths in (signers, time_stamps, witnesses)
    )
    persons = tuple(_identity_list(Path(each)) for each in identities)
    if not (own or stamping or persons or seeing):
        return None
    return Trust(signers=own, time_stamps=stamping, identities=persons, witnesses=seeing)


def _split(pem: bytes) -> list[bytes]:
    """Certificates one by one, in the one form that PEM has for each."""
    encoding = serialization.Encoding.PEM
    return (
        [each.public_bytes(encoding) for each in x509.load_pem_x509_certificates(pem)]
        if pem
        else []
    )


def _list(path: Path) -> TrustList:
    return TrustList(name=str(path), pem=read_anchors(path))


def _identity_list(path: Path) -> TrustList:
    lines = read(path).decode("utf-8", "replace").splitlines()
    issuers = tuple(line.strip() for line in lines if line.startswith("did:"))
    if issuers and not any(line.startswith("-----BEGIN") for line in lines):
        return TrustList(name=str(path), pem=b"", issuers=issuers)
    return TrustList(name=str(path), pem=read_anchors(path), issuers=issuers)


def read_anchors(path: Path) -> bytes:
    """Authorities to trust, in PEM without anything else that the file may hold.

    A signer's own certificate is left out: C2PA's reader would take it for a root.

    Raises:
        KeyMaterialError: the file holds none.
    """
    try:
        certificates = parsed_pem(read(path))
    except ValueError as error:
        raise KeyMaterialError(
            f"{path} holds no PEM certificate to trust; name a root, such as keys/root.pem"
        ) from error
    authorities = [each for each in certificates if _is_authority(each)]
    if not authorities:
        raise KeyMaterialError(
            f"{path} holds no authority's certificate; name the root that its signer leads to"
        )
    return certificates_pem(authorities)


def _is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may issue others; of the oldest kind, all roots say nothing of it."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1
    except UNREADABLE:
        return False
