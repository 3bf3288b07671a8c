"""The extractor as a torch module: for training it, and for embedding against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from safegen.marks.extractor import BRIGHTNESS_UNIT, SLOPE
from safegen.marks.views import resampling

if TYPE_CHECKING:
    from safegen.marks.extractor import Extractor


class ExtractorNetwork(nn.Module):
    """What `safegen.marks.extractor.Extractor` computes, with gradients.

    Args:
        side: of the square that it looks at, in pixels.
        widths: channels of its convolutions.
        strides: of its convolutions.
        first_kernel: side of the first convolution's kernel; the others have 3.
        word_bits: how many bits it reads.
    """

    def __init__(
        self,
        *,
        side: int,
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        first_kernel: int,
        word_bits: int,
    ) -> None:
        super().__init__()
        self.side = side
        self.word_bits = word_bits
        kernels = (first_kernel, *[3] * (len(widths) - 1))
        before = (1, *widths[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2)
            for channels, width, kernel, stride in zip(before, widths, kernels, strides, strict=True)
        )
        left = side
        for stride in strides:
            left //= stride
        self.head = nn.Linear(widths[-1] * left * left, word_bits)

    def forward(self, brightness: torch.Tensor) -> torch.Tensor:
        """Read pictures in their undistorted alignment.

        Args:
            brightness: (count, 1, height, width), float32 in [0, 255], of any size.

        Returns:
            (count, word_bits), float32: logits.
        """
        x = resample(brightness, self.side)
        x = (x - x.mean(dim=(2, 3), keepdim=True)) / BRIGHTNESS_UNIT
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), SLOPE)
        logits: torch.Tensor = self.head(x.flatten(1))
        return logits


def resample(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Pictures at another size, by the matrices that detection uses.

    Args:
        pictures: (count, channels, height, width), float32.
        side: of the square that is wanted, in pixels.

    Returns:
        (count, channels, side, side), float32.
    """
    rows = torch.from_numpy(resampling(pictures.shape[2], side))
    columns = torch.from_numpy(resampling(pictures.shape[3], side))
    return rows @ pictures @ columns.T


def network_of(extractor: Extractor) -> ExtractorNetwork:
    """The same extractor with gradients, frozen, to embed against."""
    design = extractor.design
    network = ExtractorNetwork(
        side=design.side,
        widths=tuple(len(kernel) for kernel in extractor.kernels),
        strides=design.strides,
        first_kernel=extractor.kernels[0].shape[2],
        word_bits=design.word_bits,
    )
    with torch.no_grad():
        layers = [*network.convolutions, network.head]
        weights = [*extractor.kernels, extractor.head]
        biases = [*extractor.biases, extractor.head_bias]
        for layer, weight, bias in zip(layers, weights, biases, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
    return network.requires_grad_(requires_grad=False).eval()
