"""What a screen is: a batch in, one named score a sample out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from safegen.schemas.canonical import sha256
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from safegen.modality.base import Modality
    from safegen.schemas.receipt import GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedStatistics:
    """What is usual of each class, made of what was released about records and of nothing else.

    Attributes:
        means: (classes, *dimensions), in [0, 1].
        deviations: (classes, *dimensions), around them.
    """

    means: NDArray[np.float64]
    deviations: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All samples of one release, as their files store them, and what was asked of each.

    Attributes:
        samples: (samples, *dimensions), as their files store them: of pictures channels, height
            and width, uint8. They are read back from the encoded files.
        requests: one a sample, in the same order; none where files are screened that nobody here
            asked for.
        modality: what kind of data they are; None for values of 8 bits.
        earlier: (samples, *dimensions): what was screened before of the same release, as files
            store it; None where nothing was.
        statistics: what the package makes usual, for screens with `needs_statistics = True`.
    """

    samples: NDArray[Any]
    requests: tuple[GenerationRequest, ...]
    modality: Modality | None = None
    earlier: NDArray[Any] | None = None
    statistics: ReleasedStatistics | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def values(self, place: int) -> NDArray[Any]:
        """One sample, (*dimensions), as training sees it: numbers in [0, 1]."""
        seen: NDArray[Any] = self.as_seen(self.samples[place])
        return seen

    def as_seen(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Samples, (*dimensions) or (n, *dimensions), as training sees them: numbers in [0, 1]."""
        seen: NDArray[Any] = (
            stored / 255 if self.modality is None else self.modality.to_float(stored)
        )
        return seen


class Screen(Protocol):
    """One measurement of samples; it decides nothing.

    A screen that knows a file of its own (weights, a list) states the file's digest as
    `digest: str`; otherwise it is known by the source of its class (`digest_of`). Where it has
    them, a method `open()` is called before a batch, for while it measures it opens nothing;
    `stop()` ends what takes too long, and `seconds` is its own limit for a batch.

    Attributes:
        name: a policy speaks of the score as `output.screens.<name>`.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - above

    def measure(self, batch: Batch) -> Sequence[float]:
        """One finite score a sample, in the batch's order; what raises denies the release."""
        ...


def digest_of(screen: Screen) -> str:
    """What a screen is known by in a decision, so that another of its name is another screen."""
    stated = getattr(screen, "digest", None)
    if isinstance(stated, str):
        return stated
    file = getattr(sys.modules.get(type(screen).__module__), "__file__", None)
    return "unknown" if file is None else sha256(read(Path(file)))
