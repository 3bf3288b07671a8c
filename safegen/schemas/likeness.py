"""A registry of people and marks whose likeness is protected: codes or embeddings, no pictures.

    {"format": "safegen.likeness-registry/1", "method": "codes",
     "entries": [{"name": "the brand's mark", "what": "mark", "features": "x3hfsAAA..."},
                 {"name": "J. Doe", "what": "person", "features": "7wAAf1E8...",
                  "consent": {"reference": "contract 2026-114", "until": "2027-06-30"}}]}

A policy names it by the digest of its file, so that nobody exchanges it unseen. `features` is
base64: of a code its bits; of an embedding 32-bit floats, little-endian, of length 1.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from safegen.schemas.canonical import Record
from safegen.schemas.screens import Digest, Text


class Consent(Record):
    """That somebody allows outputs to resemble them, and for how long.

    Attributes:
        reference: where it is kept, such as the number of a contract.
        until: the last day; after it, the registry is refused until somebody decides.
    """

    reference: Text
    until: date


class ProtectedEntry(Record):
    """One picture of somebody or something that outputs may not resemble.

    Attributes:
        name: by which the house knows it; it is never told outside.
        what: a person, or a mark: a sign, a logo, a protected work.
        features: of the picture, as base64.
        consent: where outputs may resemble it; absent where they may not.
    """

    name: Text
    what: Literal["person", "mark"]
    features: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
    consent: Annotated[Consent | None, Field(exclude_if=lambda given: given is None)] = None


class LikenessRegistry(Record):
    """All that is protected.

    Attributes:
        format: of the file, with its version.
        method: what features are: perceptual codes (ISO 24138), or embeddings of a network.
        embedder: the digest of that network and of how it is given pictures; absent for codes.
        entries: at least one.
    """

    format: Literal["safegen.likeness-registry/1"] = "safegen.likeness-registry/1"
    method: Literal["codes", "embeddings"]
    embedder: Annotated[Digest | None, Field(exclude_if=lambda given: given is None)] = None
    entries: Annotated[tuple[ProtectedEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_its_embedder(self) -> Self:
        if (self.embedder is None) != (self.method == "codes"):
            raise ValueError("embeddings have an embedder, and codes have none")
        return self
