"""Contrast: a collapsed generator makes flat pictures, and a flat picture should not leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from safegen.screens.registry import register

if TYPE_CHECKING:
    from safegen.screens.screen import Batch


@register
class ContrastScreen:
    """The standard deviation of the values, 0 for one flat colour, at most 0.5."""

    name: ClassVar[str] = "contrast"

    def measure(self, batch: Batch) -> list[float]:
        """The contrast of each sample.

        >>> from safegen.screens.screen import Batch
        >>> flat = np.full((2, 1, 4, 4), 7, dtype=np.uint8)
        >>> ContrastScreen().measure(Batch(samples=flat, requests=()))
        [0.0, 0.0]
        """
        return [float(np.std(sample) / 255) for sample in batch.samples]
