"""Contrast: a collapsed generator makes flat samples, and a flat sample should not leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from safegen.screens.registry import register

if TYPE_CHECKING:
    from safegen.screens.screen import Batch


@register
class ContrastScreen:
    """The standard deviation of the values in [0, 1], 0 where all are one, at most 0.5."""

    name: ClassVar[str] = "contrast"

    def measure(self, batch: Batch) -> list[float]:
        """The contrast of each sample.

        >>> from safegen.screens.screen import Batch
        >>> flat = np.full((2, 1, 4, 4), 7, dtype=np.uint8)
        >>> ContrastScreen().measure(Batch(samples=flat, requests=()))
        [0.0, 0.0]
        """
        return [float(np.std(batch.values(place))) for place in range(len(batch))]
