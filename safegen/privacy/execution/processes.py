"""Several processes that run one plan together: torchrun starts them, torch.distributed joins them.

Each holds the same weights and a fixed share of the units. In a step each draws from its share,
clips and rounds; the integers are added up over all processes, exactly, with noise from the first.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, distributed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: its number, from 0.
        world: how many there are.
        device: where it holds its tensors.
    """

    rank: int = 0
    world: int = 1
    device: torch.device = CPU

    @property
    def first(self) -> bool:
        """Whether this one keeps the books: budget, noise, checkpoints and the package."""
        return self.rank == 0

    def total(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """The sum of integers over all processes, exact, known to each."""
        if self.world == 1:
            return points
        shared = torch.from_numpy(points).to(self.device)
        distributed.all_reduce(shared)
        return shared.cpu().numpy()

    def broadcast_tensors(self, tensors: list[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.world > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)

    def broadcast(self, value: T) -> T:
        """Give every process the first one's value; the others' own is not looked at."""
        held = [value]
        if self.world > 1:
            distributed.broadcast_object_list(held, src=0, device=self.device)
        return held[0]

    def receive(self) -> Any:  # noqa: ANN401 - whatever the first process tells
        """In any process but the first: what that one tells."""
        return self.broadcast(None)


def launched() -> bool:
    """Whether torchrun started this process beside others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[Processes]:
    """This process, joined with the others that torchrun started, if it did.

    Args:
        device: where to train; on several GPUs each process takes the one of its local rank.
    """
    if not launched():
        yield Processes(device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(
            rank=distributed.get_rank(), world=distributed.get_world_size(), device=device
        )
    finally:
        distributed.destroy_process_group()
