"""On a GPU: a network's two passes as recordings, which start hundreds of kernels at once.

Small pictures keep a GPU busy for microseconds a kernel, and starting each by itself takes as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable


def recorded(network: nn.Module, example: Tensor, *, half: bool) -> Callable[[Tensor], Tensor]:
    """What the network computes while it trains, of inputs with the shape of `example`.

    Recording goes through `example` a few times: statistics of normalisation see it, weights do
    not change. The network itself stays as it was, for other inputs and for testing.

    Args:
        network: on a GPU, in training.
        example: inputs, on the same GPU.
        half: multiply in bfloat16; weights and their gradients stay float32.
    """
    with torch.autocast("cuda", torch.bfloat16, enabled=half, cache_enabled=False):
        both = torch.cuda.make_graphed_callables(nn.Sequential(network), (example,))

    def forward(inputs: Tensor) -> Tensor:
        logits = both(inputs)
        assert isinstance(logits, Tensor)
        return logits.float()

    return forward
