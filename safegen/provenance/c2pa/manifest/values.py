"""What a manifest says, and what validating it found, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from safegen.provenance.c2pa.manifest.statements import Statement, said
from safegen.provenance.keys.shown import issuer_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

    from safegen.provenance.c2pa.claims import Json
    from safegen.provenance.c2pa.manifest.ancestry import Ancestor
    from safegen.provenance.c2pa.manifest.identities import Identity
    from safegen.provenance.c2pa.manifest.ingredients import IngredientState
    from safegen.provenance.keys.profile import Finding

UNBOUND = "safegen.integrity.unbound"  # no code of C2PA's
SIGNED = "claimSignature.validated"


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
        store: the whole manifest store; empty where the reader does not give it out.
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
    store: bytes = field(default=b"", repr=False)

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
