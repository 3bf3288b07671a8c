"""The extractor as a torch module: for training it, and for embedding against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from safegen.marks.extractor import COARSE_UNIT, FINE_GAIN, FINE_UNIT, SLOPE, SURROUNDINGS
from safegen.marks.views import LUMA, resampling

if TYPE_CHECKING:
    from safegen.marks.designs import Design
    from safegen.marks.extractor import Extractor


class ExtractorNetwork(nn.Module):
    """What `safegen.marks.extractor.Extractor` computes, with gradients.

    Args:
        design: what it is.
        widths: channels of its convolutions.
        first_kernel: side of the first convolution's kernel; the others have 3.
        carrier_side: numbers a side of a carrier, which is stretched to a picture: the fewer, the
            smoother.
    """

    def __init__(
        self, design: Design, *, widths: tuple[int, ...], first_kernel: int, carrier_side: int
    ) -> None:
        super().__init__()
        self.design = design
        kernels = (first_kernel, *[3] * (len(widths) - 1))
        before = (2, *widths[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2)
            for channels, width, kernel, stride in zip(
                before, widths, kernels, design.strides, strict=True
            )
        )
        left = design.side
        for stride in design.strides:
            left //= stride
        self.head = nn.Linear(widths[-1] * left * left, design.word_bits)
        self.carriers = nn.Parameter(torch.randn(design.word_bits, carrier_side, carrier_side))

    def forward(self, brightness: torch.Tensor) -> torch.Tensor:
        """Read pictures in their undistorted alignment.

        Args:
            brightness: (count, 1, height, width), float32 in [0, 255], of any size.

        Returns:
            (count, word_bits), float32: logits.
        """
        x = resample(brightness, self.design.side)
        coarse = (x - x.mean(dim=(2, 3), keepdim=True)) / COARSE_UNIT
        fine = torch.tanh((x - local_mean(x, SURROUNDINGS)) / FINE_UNIT) * FINE_GAIN
        x = torch.cat([coarse, fine], dim=1)
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), SLOPE)
        logits: torch.Tensor = self.head(x.flatten(1))
        return logits


def brightness_of(pictures: torch.Tensor) -> torch.Tensor:
    """Brightness (ITU-R BT.601): (count, 1 or 3, height, width) to (count, 1, height, width)."""
    if pictures.shape[1] == 1:
        return pictures
    return (pictures * torch.from_numpy(LUMA)[:, None, None]).sum(dim=1, keepdim=True)


def local_mean(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """The mean of each pixel's surroundings, the edges continued; side is odd, in pixels."""
    padded = functional.pad(pictures, (side // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, side, stride=1)


def resample(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Pictures at another size, by the matrices that detection uses.

    Args:
        pictures: (count, channels, height, width), float32.
        side: of the square that is wanted, in pixels.

    Returns:
        (count, channels, side, side), float32.
    """
    return resample_to(pictures, side, side)


def resample_to(pictures: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Likewise, to any height and width."""
    rows = torch.from_numpy(resampling(pictures.shape[2], height))
    columns = torch.from_numpy(resampling(pictures.shape[3], width))
    return rows @ pictures @ columns.T


def network_of(extractor: Extractor) -> ExtractorNetwork:
    """The same extractor with gradients, frozen, to embed against."""
    network = ExtractorNetwork(
        extractor.design,
        widths=tuple(len(kernel) for kernel in extractor.kernels),
        first_kernel=extractor.kernels[0].shape[2],
        carrier_side=extractor.carriers.shape[1],
    )
    with torch.no_grad():
        layers = [*network.convolutions, network.head]
        weights = [*extractor.kernels, extractor.head]
        biases = [*extractor.biases, extractor.head_bias]
        for layer, weight, bias in zip(layers, weights, biases, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        network.carriers.copy_(torch.from_numpy(extractor.carriers))
    return network.requires_grad_(requires_grad=False).eval()
