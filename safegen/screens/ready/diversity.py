"""Collapse: a generator whose outputs are all nearly one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from safegen.screens.registry import register

if TYPE_CHECKING:
    from safegen.screens.screen import Batch

SCORE_ALONE = 1.0  # the largest difference there is: one sample is no collapse


@register
class Diversity:
    """How far two samples of the release are from each other, on the average; near 0 it collapsed.

    The root mean square difference of the values in [0, 1] over all pairs, with those that were
    screened before; the same score for all samples of a batch, and 1 for a sample that is alone.
    """

    name: ClassVar[str] = "diversity"

    def measure(self, batch: Batch) -> list[float]:
        """The diversity of the release so far, once for each sample.

        >>> from safegen.screens.screen import Batch
        >>> flat = np.zeros((2, 1, 4, 4), dtype=np.uint8)
        >>> Diversity().measure(Batch(samples=flat, requests=()))
        [0.0, 0.0]
        """
        earlier = [] if batch.earlier is None else [batch.earlier]
        values = np.asarray(batch.as_seen(np.concatenate([*earlier, batch.samples])), np.float64)
        count = len(values)
        if count == 1:
            return [SCORE_ALONE]
        # The mean square difference of two of n values is 2 n / (n - 1) times their variance.
        mean_square = 2 * count / (count - 1) * float(values.var(axis=0).mean())
        return [mean_square**0.5] * len(batch)
