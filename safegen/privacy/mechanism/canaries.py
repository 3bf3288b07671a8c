"""Canaries: made-up units that take part in a run, so that an attack on it can be measured.

Each canary has one number of its own, in a table that belongs to no picture, and its gradient is
loud in that number and zero elsewhere. A coin decides whether it is among the units at all. Those
that are go through the same draw, clipping, sum and noise as everybody; afterwards the noisy
gradients of the table, added up over the steps, are each canary's score (the gradient canaries of
Nasr et al. 2023, in one run as Steinke, Nasr & Jagielski 2023). Real units have no gradient in the
table, so canaries change nothing for them, and what is learnt about canaries costs no budget.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from safegen.privacy.execution.processes import Processes

GRADIENT_NORMS = 1000.0  # times the clipping norm: a canary's gradient before it is clipped


class Canaries(nn.Module):
    """The canaries of one run.

    Attributes:
        included: (count,), bool, which of them are among the units.
        scores: (count,), float64, sums of noisy gradients, in units of the clipping norm.
        heard: over how many steps.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.table = nn.Embedding(count, 1)
        nn.init.zeros_(self.table.weight)
        coins = np.random.default_rng(secrets.randbits(128)).random(count)
        self.included: NDArray[np.bool_] = coins < 0.5
        self.scores: NDArray[np.float64] = np.zeros(count)
        self.steps_observed = 0

    def __len__(self) -> int:
        return len(self.included)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers of the included canaries, (included,), int64."""
        return np.flatnonzero(self.included)

    def forward(self, numbers: Tensor) -> Tensor:
        """Each drawn canary's loss (n,): its own number in the table, made loud."""
        values: Tensor = self.table(numbers[:, None])[:, 0, 0]  # a batch, as all modes expect
        return GRADIENT_NORMS * values

    @torch.no_grad()
    def listen(self, scale: float) -> None:
        """Add the table's noisy gradient to the scores.

        Args:
            scale: what the gradient was divided by, over the clipping norm.
        """
        gradient = self.table.weight.grad
        assert gradient is not None
        self.scores += gradient.squeeze(1).double().cpu().numpy() * scale
        self.steps_observed += 1

    def broadcast(self, processes: Processes) -> None:
        """Let all processes have the first one's coins."""
        self.included = processes.broadcast(self.included)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold of them."""
        return {
            "included": torch.from_numpy(self.included),
            "scores": torch.from_numpy(self.scores),
            "heard": torch.tensor(self.steps_observed),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.included = state["included"].numpy()
        self.scores = state["scores"].numpy()
        self.steps_observed = int(state["heard"])
