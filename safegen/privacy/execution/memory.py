"""When a GPU's memory ends: fewer rows at a time, or a sentence that says what to do.

Only work that has given nothing out may be tried anew: the clipped sums of a step, before they are
rounded and noise is added. The same draw in smaller micro-batches has the same sum, so that epsilon
does not change; how long a step takes does, as it always has with the number that was drawn.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from safegen.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
MEMORY_ADVICE = "free some of it, or use --device cpu"


@dataclass(slots=True, kw_only=True)
class RowsAtATime:
    """How many rows go through a network at a time.

    Attributes:
        size: rows; all of a step's when None. Halved each time that memory ends.
        least: rows of one unit, which stay together.
    """

    size: int | None
    least: int = 1

    def fitting(self, rows: int, attempt: Callable[[], T], *, afresh: Callable[[], None]) -> T:
        """What an attempt gives once it fits into memory.

        Args:
            rows: of the whole step.
            attempt: goes by `size`, and leaves nothing behind when it fails but what `afresh` ends.
            afresh: drops what a failed attempt holds.

        Raises:
            TrainingError: not even one unit fits.
        """
        while True:
            with contextlib.suppress(torch.OutOfMemoryError):  # kept, it would hold on to memory
                return attempt()
            afresh()
            torch.cuda.empty_cache()
            self._halve(rows)

    def _halve(self, rows: int) -> None:
        size = rows if self.size is None else min(self.size, rows)
        if size <= self.least:
            raise TrainingError(
                f"the GPU's memory does not even hold one unit at a time; {MEMORY_ADVICE}, and go "
                "on with a run that was begun with --resume"
            )
        self.size = max(size // 2, self.least)


@contextlib.contextmanager
def memory_named(way_out: str) -> Iterator[None]:
    """Say in a sentence that memory ended where fewer rows at a time do not help.

    Raises:
        TrainingError: it did.
    """
    try:
        yield
    except RuntimeError as error:
        if not _memory_ended(error):
            raise
        raise TrainingError(f"the GPU's memory ran out; {MEMORY_ADVICE}, {way_out}") from error


def _memory_ended(error: RuntimeError) -> bool:
    """Also outside torch's allocator: the driver has other errors, and told less of a recording."""
    told = ("CUDA error: out of memory", "CUDA out of memory", "StreamCaptureInvalidated")
    return isinstance(error, torch.OutOfMemoryError) or any(part in str(error) for part in told)
