"""The seam of kinds of data: all that the rest of the house asks about what it trains and makes.

A kind of data is one class that keeps `Modality`; `registry.register` checks it. One value of it
stands for one shape in one file format. It is chosen when a data set or a package is opened
(`registry.modality_of`), and from then on nothing but it knows what a sample is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

from safegen.errors import RequestError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from safegen.modality.regions import Regions
    from safegen.schemas.card import Shape
    from safegen.schemas.label import LabelDocument, VisibleLabel

    Stored = NDArray[Any]

Numbers = TypeVar("Numbers")  # an array, or a tensor on any device: this room needs no torch


class Modality(Protocol):
    """One kind of data, in one shape and one file format.

    Attributes:
        name: of the kind: small letters, digits and underscores; signed with every shape but that
            of pictures.
        one: what a sample is called in a sentence, such as "picture".
        many: several of them.
        quantity: what the mean of a region's values is called, such as "brightness".
        formats: file formats by name, the usual one first.
        step: the distance of neighbouring stored values, as training sees them; two samples whose
            values differ by no more are one but for rounding.
        fingerprint_algorithm: C2PA's name of the soft binding that files carry; None for none.
    """

    name: ClassVar[str]
    one: ClassVar[str]
    many: ClassVar[str]
    quantity: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    step: ClassVar[float]
    fingerprint_algorithm: ClassVar[str | None]

    @classmethod
    def of(cls, shape: Shape, format: str | None = None) -> Self:  # noqa: A002 - everybody's word
        """The kind in a shape and a file format, the usual one when None.

        Raises:
            DataError: it has no such shape.
            RequestError: it has no such format.
        """
        ...

    @property
    def shape(self) -> Shape:
        """Of one sample, as cards and packages state it."""
        ...

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Of one sample as an array, stored or seen."""
        ...

    @property
    def format(self) -> str:
        """Of files, by name."""
        ...

    @property
    def mime(self) -> str:
        """The encoded file's media type."""
        ...

    @property
    def suffix(self) -> str:
        """The file name's, with the dot."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether a manifest lies in the file; otherwise it lies beside it."""
        ...

    @property
    def digital_source_type(self) -> str:
        """IPTC's or C2PA's term for a file that a trained model made."""
        ...

    def in_words(self) -> str:
        """Samples of this shape, such as "grey pictures of 28x28 pixels"."""
        ...

    def to_float(self, stored: Numbers) -> Numbers:
        """What training sees: stored values (n, *dimensions) as numbers in [0, 1].

        An array or a tensor, wherever it lies. Each value is made of its own stored value and of
        what is public in the shape, never of other records: scaling by the records' own extremes
        would tell of them outside every budget.
        """
        ...

    def to_stored(self, values: NDArray[Any]) -> Stored:
        """Numbers (n, *dimensions) in [0, 1] as they are stored; values outside are clipped."""
        ...

    def encode(self, sample: NDArray[Any]) -> bytes:
        """Turn one sample (*dimensions), in [0, 1], into a whole file."""
        ...

    def decode(self, data: bytes) -> Stored:
        """Turn a file back into the values (*dimensions) that it stores.

        Raises:
            DataError: the bytes are no whole file of this kind.
        """
        ...

    @classmethod
    def fingerprint(cls, data: bytes, *, to_compare: bool = False) -> bytes | None:
        """A code that finds an encoded file again without its metadata; None where there is none.

        Args:
            data: the file.
            to_compare: the same code, by whatever way is quick; what is signed is computed by the
                standard's own.

        Raises:
            DataError: the bytes are no whole file of this kind.
        """
        ...

    def show(self, axes: Axes, stored: Stored) -> None:
        """Draw one sample (*dimensions), as stored, so that it fills the axes' whole area.

        Its regions are marked on it: the grid's rows from top to bottom, its columns from left to
        right, each of the same size.
        """
        ...

    def regions(self) -> Regions:
        """The regions of a sample, of which explanations speak."""
        ...


@runtime_checkable
class ShowsLabels(Protocol):
    """What a kind of data does beside, whose samples people see and that can carry a label."""

    def plan_label(self, wanted: LabelDocument) -> VisibleLabel:
        """A label as every sample will carry it, as far as that is known before.

        Raises:
            RequestError: it could not be read there, or its letters are not to be had.
        """
        ...

    def with_label(
        self, sample: NDArray[Any], label: VisibleLabel, least: float
    ) -> tuple[NDArray[Any], VisibleLabel]:
        """One sample (*dimensions), in [0, 1], with a label; and the label as it was drawn.

        Args:
            sample: itself.
            label: as planned.
            least: the contrast that it needs.
        """
        ...

    def with_label_again(self, sample: NDArray[Any], label: VisibleLabel) -> NDArray[Any]:
        """The same sample with a label that was drawn before, the same again."""
        ...

    def label_contrast(self, stored: Stored, label: VisibleLabel) -> float:
        """The contrast of a label as a file stores it, by WCAG 2.2, from 1 to 21."""
        ...


def labelling_of(modality: Modality) -> ShowsLabels:
    """A kind of data as one that carries labels.

    Raises:
        RequestError: it is none.
    """
    if not isinstance(modality, ShowsLabels):
        raise RequestError(
            f"{modality.in_words()} show no label, and the policy asks for one; use a policy "
            "without"
        )
    return modality
