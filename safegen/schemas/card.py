"""What may be told of a data set: the card that travels with every model made from it.

    {
      "name": "fashion-mnist", "source": "https://github.com/zalandoresearch/fashion-mnist",
      "licence": "MIT", "count": 60000,
      "shape": {"channels": 1, "height": 28, "width": 28},
      "classes": ["T-shirt/top", "Trouser", ...],
      "digest": "sha256:...", "unit": "record", "units": 60000, "public": true
    }

A plain digest of private data would let anybody who holds all records but one test a guess for
the last. So the published card of a data set that is not public carries a commitment,
`salted-sha256:`, that its owner alone can open (`privacy.accounting.budget` keeps the salt).
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from safegen.schemas.canonical import Record

Unit = Literal["record", "group"]
PICTURES = "image"  # the kind of data whose shape names none


class PictureShape(Record):
    """Of one picture. By name, because C2PA readers show arrays of small numbers as base64.

    Attributes:
        channels: 1 for grey, 3 for RGB.
        height: pixels.
        width: pixels.
    """

    channels: PositiveInt
    height: PositiveInt
    width: PositiveInt

    @property
    def kind(self) -> str:
        """What kind of data it is of; not written, for it was the only one in 0.1."""
        return PICTURES


class NamedShape(Record):
    """Of one record of another kind, which it names; read also where that kind is not known.

    Attributes:
        kind: of data, as `safegen.modality.registry` knows it.
        sides: of one sample, by name, such as 1 `columns` and 64 `length`; canonical JSON keeps no
            order, so that the kind of data says which comes first.
        settings: what else is public of how its values are read and written, by name.
    """

    kind: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
    sides: Annotated[dict[str, PositiveInt], Field(min_length=1)]
    settings: dict[str, float | str | tuple[str, ...]] = Field(default_factory=dict)


Shape = PictureShape | NamedShape


class DataCard(Record):
    """A data set's card.

    Attributes:
        name: what people call it.
        source: where it came from.
        licence: under which terms, in words or as an SPDX identifier.
        count: how many records; public by assumption. Null on the published card of a data set with
            groups, where it would tell how many records one of them has.
        shape: of one record.
        classes: the labels' names, in the order of their numbers.
        digest: of the records and labels; a salted commitment on a published private card.
        unit: what a neighbour lacks: a record, or all records of a group.
        units: how many there are, empty ones included; public by assumption.
        public: whether anybody may hold the records; then its budget is kept but not limited.
    """

    name: str
    source: str
    licence: str
    count: PositiveInt | None = None
    shape: Shape
    classes: tuple[str, ...]
    digest: str
    unit: Unit = "record"
    units: PositiveInt
    public: bool = False

    def size(self) -> str:
        """How large the data set is, in words, as far as that may be told."""
        groups = f"{self.units:,} groups"
        if self.count is None:
            return f"{groups} of records"
        return f"{self.count:,} records" + (f" in {groups}" if self.unit == "group" else "")


def published(card: DataCard, salt: bytes) -> DataCard:
    """The card that may leave the house: a private data set's digest becomes a commitment.

    Where groups are units, the number of records stays behind: without one group of 57 pictures it
    would be 57 less.

    Args:
        card: the card as the data set's owner sees it.
        salt: at least 16 secret bytes, kept by the owner to open the commitment later.
    """
    if card.unit == "group":
        card = card.model_copy(update={"count": None})
    if card.public:
        return card
    commitment = hashlib.sha256(salt + card.digest.encode()).hexdigest()
    return card.model_copy(update={"digest": f"salted-sha256:{commitment}"})
