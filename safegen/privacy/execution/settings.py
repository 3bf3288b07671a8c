"""How fast and where a plan runs; nothing here can change epsilon."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from safegen.arguments import require_types
from safegen.errors import PlanError
from safegen.option import Spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

Device = Literal["auto", "cpu", "cuda"]
Mode = Literal["book-keeping", "hooks", "ew", "functorch", "ghost"]
Precision = Literal["float32", "tf32", "bf16"]
GHOST_ROWS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Settings of speed and memory.

    Attributes:
        device: where networks train; `auto` takes a GPU where there is one.
        mode: how per-unit gradients are clipped: by book-keeping, or by one of Opacus' modes
            `hooks`, `ew`, `functorch` and `ghost`, which also take layers that book-keeping has no
            rule for.
        micro_batch: rows that go through the network at a time; all of a step's by default, or
            half as many each time that a GPU's memory ends. Less memory, the same sum.
        precision: of matrix products with book-keeping; `bf16` and `tf32` are for GPUs. Norms and
            sums stay in 32 and 64 bits, because sensitivity rests on them.
    """

    device: Device = "auto"
    mode: Annotated[Mode, Spelled(value="MODE")] = "book-keeping"
    micro_batch: int | None = None
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        require_types(self, PlanError)
        if self.micro_batch is not None and self.micro_batch < 1:
            raise PlanError(f"micro_batch is {self.micro_batch}; a pass needs 1 row or more")
        if self.precision != "float32" and self.mode != "book-keeping":
            raise PlanError(
                f"precision {self.precision} needs mode `book-keeping`: Opacus' modes would take "
                "norms in it, too"
            )

    @property
    def rows_in_a_pass(self) -> int | None:
        """How many rows go through the network at a time; None for all of a step's.

        Mode `ghost` adds up a whole pass in 32 bits, so that passes are short.
        """
        if self.mode != "ghost":
            return self.micro_batch
        return min(self.micro_batch or GHOST_ROWS, GHOST_ROWS)

    @contextlib.contextmanager
    def products(self, device: torch.device) -> Iterator[None]:
        """Matrix products of this precision, for the network's own passes."""
        import torch

        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        before = matmul.allow_tf32, cudnn.allow_tf32
        matmul.allow_tf32 = cudnn.allow_tf32 = self.precision == "tf32"
        try:
            with torch.autocast(
                device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
            ):
                yield
        finally:
            matmul.allow_tf32, cudnn.allow_tf32 = before
