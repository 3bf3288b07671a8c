"""The moving average of a network's weights: post-processing, which costs no privacy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping


class Average:
    """Exponential moving average of a network's weights, started from its first steps."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._decay = decay
        self._updates = 0

    @torch.no_grad()
    def restart(self, network: nn.Module) -> None:
        """Begin again with the weights, and buffers, that a network has now."""
        self._updates = 0
        self.network.load_state_dict(network.state_dict())

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the network's weights."""
        self._updates += 1
        decay = min(self._decay, self._updates / (self._updates + 9))
        for mine, new in zip(self.network.parameters(), network.parameters(), strict=True):
            mine.lerp_(new, 1 - decay)

    def state(self) -> dict[str, Tensor]:
        """The averaged weights, and of how many updates."""
        return {"updates": torch.tensor(self._updates), **_prefixed(self.network.state_dict())}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self._updates = int(state["updates"])
        weights = {name.removeprefix("w."): t for name, t in state.items() if name != "updates"}
        self.network.load_state_dict(weights)


def _prefixed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"w.{name}": tensor for name, tensor in weights.items()}
