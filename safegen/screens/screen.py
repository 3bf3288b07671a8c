"""What a screen is: a batch in, one named score a sample out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from safegen.schemas.canonical import sha256
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from safegen.schemas.receipt import GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All samples of one release, as their files store them, and what was asked of each.

    Attributes:
        samples: (samples, channels, height, width), uint8, read back from the encoded files.
        requests: one a sample, in the same order; none where files are screened that nobody here
            asked for.
    """

    samples: NDArray[np.uint8]
    requests: tuple[GenerationRequest, ...]

    def __len__(self) -> int:
        return len(self.samples)


class Screen(Protocol):
    """One measurement of samples; it decides nothing.

    A screen that knows a file of its own (weights, a list) states the file's digest as
    `digest: str`; otherwise it is known by the source of its class (`digest_of`).

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
