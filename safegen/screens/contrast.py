"""Contrast: a collapsed generator makes flat pictures, and a flat picture should not leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ContrastScreen:
    """The standard deviation of the pixels, 0 for one flat colour, at most 0.5."""

    name: ClassVar[str] = "contrast"

    def score(self, pixels: NDArray[np.uint8]) -> float:
        """Measure one sample, (channels, height, width), uint8.

        >>> import numpy as np
        >>> ContrastScreen().score(np.full((1, 4, 4), 7, dtype=np.uint8))
        0.0
        """
        return float(pixels.std() / 255)
