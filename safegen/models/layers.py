"""Blocks with an exact per-sample gradient: convolutions, linear layers, pointwise functions.

BatchNorm mixes the records of a batch, so that clipping one would not bound it; spectral norm
changes weights outside the gradient. Neither is used here.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

FIRST_LOGIT_BIAS = -1.0  # first bias of a picture's logits: most pictures are darker than grey


MAX_COARSE_SIDE_PIXELS = 8  # pixels of the longer side, at which halving ends


def halvings(height: int, width: int) -> int:
    """How often a picture is halved: until it is coarse, or a side is odd.

    A square that `data.dataset` takes ends with 5 to 15 pixels a side, so that no linear layer
    grows huge; beside an odd side the other may keep up to 32.

    >>> [halvings(side, side) for side in (28, 32, 48, 64, 96, 128)]
    [2, 2, 3, 3, 4, 4]
    """
    times = 0
    while max(height, width) > MAX_COARSE_SIDE_PIXELS and height % 2 == width % 2 == 0:
        height, width, times = height // 2, width // 2, times + 1
    return times


class Decoder(nn.Module):
    """A latent code, and a one-hot label unless `labels` is 0, to a picture's logits.

    Upsampling is a convolution followed by pixel shuffle (Shi et al. 2016), which leaves no
    checkerboard and whose per-sample gradients are those of a plain convolution.
    """

    def __init__(
        self, *, channels: int, height: int, width: int, labels: int, latent: int, base: int
    ) -> None:
        super().__init__()
        times = halvings(height, width)
        self._labels = labels
        self.seed_shape = (base, height >> times, width >> times)
        self.enter = nn.Linear(latent + labels, base * self.seed_shape[1] * self.seed_shape[2])
        self.doublings = nn.ModuleList(_Doubling(base, base) for _ in range(times - 1))
        self.leave = _Doubling(base, channels)
        assert self.leave.convolution.bias is not None
        nn.init.constant_(self.leave.convolution.bias, FIRST_LOGIT_BIAS)

    def forward(self, code: Tensor, onehot: Tensor) -> Tensor:
        """Decode.

        Args:
            code: (n, latent), float32.
            onehot: (n, classes), float32; any weights, for the sake of attribution. Not looked at
                when `labels` is 0.

        Returns:
            Logits (n, channels, height, width), float32.
        """
        entering = torch.cat([code, onehot], dim=1) if self._labels else code
        hidden = functional.silu(self.enter(entering))
        hidden = hidden.view(-1, *self.seed_shape)
        for doubling in self.doublings:
            hidden = functional.silu(doubling(hidden))
        logits: Tensor = self.leave(hidden)
        return logits


class Encoder(nn.Module):
    """A picture, and a one-hot label unless `labels` is 0, to a vector."""

    def __init__(
        self, *, channels: int, height: int, width: int, labels: int, outputs: int, base: int
    ) -> None:
        super().__init__()
        self._labels = labels
        times = halvings(height, width)
        widths = [channels] + [base] * (times - 1) + [2 * base]
        self.convolutions = halving_convolutions(widths)
        self.head = nn.Linear(features(widths[-1], height, width) + labels, outputs)

    def forward(self, picture: Tensor, onehot: Tensor) -> Tensor:
        """Encode (n, channels, height, width) in [0, 1] to (n, outputs), float32."""
        hidden = picture
        for convolution in self.convolutions:
            hidden = functional.silu(convolution(hidden))
        hidden = hidden.flatten(1)
        if self._labels:
            hidden = torch.cat([hidden, onehot], dim=1)
        encoded: Tensor = self.head(hidden)
        return encoded


def halving_convolutions(widths: list[int]) -> nn.ModuleList:
    """4x4 convolutions of stride 2 through the given channel widths."""
    return nn.ModuleList(
        channels_last(nn.Conv2d(inner, outer, kernel_size=4, stride=2, padding=1))
        for inner, outer in itertools.pairwise(widths)
    )


def channels_last(convolution: nn.Conv2d) -> nn.Conv2d:
    """The same layer with its weight's channels beside each other in memory.

    What goes through it is laid out likewise from then on, and a step is shorter for it
    (tests/benchmarks/test_layout.py).
    """
    return convolution.to(memory_format=torch.channels_last)


def features(channels: int, height: int, width: int) -> int:
    """Numbers left of a picture after its halvings."""
    times = halvings(height, width)
    return channels * (height >> times) * (width >> times)


class _Doubling(nn.Module):
    """Twice the height and width: a 3x3 convolution, then pixel shuffle."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convolution = channels_last(nn.Conv2d(inner, 4 * outer, kernel_size=3, padding=1))

    def forward(self, hidden: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.convolution(hidden), 2)
