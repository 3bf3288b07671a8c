"""What a screen is: pixels in, one named score out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Screen(Protocol):
    """One check of a sample; it measures, and a policy decides.

    Attributes:
        name: the fact's name, as policies speak of it.
    """

    name: ClassVar[str]

    def score(self, pixels: NDArray[np.uint8]) -> float:
        """Measure one sample, (channels, height, width), uint8."""
        ...
