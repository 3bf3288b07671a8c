"""Out of distribution: how far a sample is from what the package's released statistics make usual.

Records are never looked at. A package holds what was released about them with noise, and what the
generator makes of that alone costs nothing more (post-processing): the mean and the spread of each
class, over samples that were drawn for this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from safegen.errors import DataError
from safegen.screens.registry import register

if TYPE_CHECKING:
    from safegen.screens.screen import Batch

LEAST_DEVIATION = 0.05  # of a value in [0, 1]: a corner that is always dark may differ a little


@register
class DistributionDistance:
    """How far a sample is from its class's mean, in standard deviations: usually about 1.

    The root mean square of (value - mean) / deviation over all values of the sample.
    """

    name: ClassVar[str] = "distribution_distance"
    needs_statistics: ClassVar[bool] = True

    def measure(self, batch: Batch) -> list[float]:
        """The distance of each sample to its own class.

        Raises:
            DataError: no package tells what is usual.
        """
        usual = batch.statistics
        if usual is None or len(batch.requests) != len(batch):
            raise DataError("nobody says what is usual; only a release from a package can be asked")
        labels = [request.label for request in batch.requests]
        values = np.asarray(batch.as_seen(batch.samples), dtype=np.float64)
        spread = np.maximum(usual.deviations[labels], LEAST_DEVIATION)
        squares = ((values - usual.means[labels]) / spread) ** 2
        distances: list[float] = np.sqrt(squares.reshape(len(batch), -1).mean(axis=1)).tolist()
        return distances
