"""What every kind of output can do, whatever it is an output of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safegen.modality.regions import Regions


class Modality(Protocol):
    """One kind of output: how its samples become files.

    Attributes:
        mime: media type of the encoded file.
        suffix: of the file name, with the dot.
        digital_source_type: IPTC's term for something made by a trained model.
    """

    @property
    def mime(self) -> str: ...  # noqa: D102 - above
    @property
    def suffix(self) -> str: ...  # noqa: D102 - above
    @property
    def digital_source_type(self) -> str: ...  # noqa: D102 - above

    def encode(self, sample: NDArray[np.float32]) -> bytes:
        """Turn one sample into a whole file."""
        ...

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Turn a file back into the values that it stores."""
        ...

    def regions(self, shape: tuple[int, int, int]) -> Regions:
        """The regions of samples of a shape, of which explanations speak."""
        ...
