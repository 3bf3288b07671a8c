"""On a GPU: a training step's two passes as one recording, which starts all its kernels at once.

Small pictures keep a GPU busy for microseconds a kernel, and starting each by itself takes longer.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
from torch.backends import cudnn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

WARM_UP_PASSES = 3  # before the recording: kernels are chosen and memory is found


class Recording:
    """The gradients of a network's cross-entropy, for inputs and labels of one shape."""

    def __init__(self, network: nn.Module, inputs: Tensor, labels: Tensor, *, half: bool) -> None:
        """Record.

        Statistics of normalisation see the inputs a few times; weights do not change.

        Args:
            network: on a GPU, in training.
            inputs: of a step, on the same GPU.
            labels: likewise.
            half: multiply in bfloat16; weights and their gradients stay float32.
        """
        self._network, self._half = network, half
        self._inputs, self._labels = inputs.clone(), labels.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(inputs.device), _fastest_kernels():
            self._record()

    def play(self, inputs: Tensor, labels: Tensor) -> None:
        """Write the gradients of a step into the network's parameters, over the last ones."""
        with torch.cuda.device(self._inputs.device):
            self._inputs.copy_(inputs)
            self._labels.copy_(labels)
            self._graph.replay()

    def _record(self) -> None:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_PASSES):
                self._passes()
                self._network.zero_grad(set_to_none=True)
        with torch.cuda.graph(self._graph, stream=stream):
            self._passes()
        torch.cuda.current_stream().wait_stream(stream)

    def _passes(self) -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=self._half, cache_enabled=False):
            logits = self._network(self._inputs)
        torch.autograd.backward(functional.cross_entropy(logits.float(), self._labels))


@contextlib.contextmanager
def _fastest_kernels() -> Iterator[None]:
    """Let cuDNN try its kernels, for shapes never change; unless somebody asked for fixed ones."""
    before = cudnn.benchmark
    cudnn.benchmark = before or not cudnn.deterministic
    try:
        yield
    finally:
        cudnn.benchmark = before
