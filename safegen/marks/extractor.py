"""The small network that reads a mark, in numpy alone, so that checking a file needs no torch.

Five numbers describe it, and a safetensors file holds it; both are pinned by a digest. It looks at
the brightness of a square of 32 or 64 pixels, less its mean, through four convolutions, and says
for every bit of the word how sure it is that it is 1.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import TamperedError
from safegen.marks.views import VIEWS, look, luma

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOPE = 0.1  # of what the leaky rectifier lets through below zero
BRIGHTNESS_UNIT = 32.0  # values of brightness in one of the network's


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What an extractor is, but for its weights.

    Attributes:
        name: as it stands in manifests.
        side: of the square that it looks at, in pixels.
        smallest: pictures whose shorter side is below this many pixels are not marked with it.
        strides: of its convolutions.
        word_bits: how many bits it reads.
        digest: SHA-256 of the file that holds its weights.
    """

    name: str
    side: int
    smallest: int
    strides: tuple[int, ...]
    word_bits: int
    digest: str


@dataclass(frozen=True, slots=True)
class Extractor:
    """An extractor with its weights.

    Attributes:
        design: what it is.
        kernels: of its convolutions, each (out, in, rows, columns), float32.
        biases: of its convolutions, each (out,), float32.
        head: (word_bits, features), float32.
        head_bias: (word_bits,), float32.
    """

    design: Design
    kernels: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]
    head: NDArray[np.float32]
    head_bias: NDArray[np.float32]

    def read(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the extractor reads in every alignment.

        Args:
            pixels: (1 or 3, height, width), uint8.

        Returns:
            (views, word_bits), float32: logits, positive where a bit is likelier 1.
        """
        return self.logits(look(luma(pixels), self.design.side))

    def logits(self, squares: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network itself.

        Args:
            squares: (count, side, side), float32 in [0, 255].

        Returns:
            (count, word_bits), float32.
        """
        seen = (squares - squares.mean(axis=(1, 2), keepdims=True)) / np.float32(BRIGHTNESS_UNIT)
        x = seen[:, None]
        for kernel, bias, stride in zip(self.kernels, self.biases, self.design.strides, strict=True):
            x = _convolve(x, kernel, bias, stride)
            x = np.maximum(x, SLOPE * x)
        return x.reshape(len(x), -1) @ self.head.T + self.head_bias


def _convolve(
    x: NDArray[np.float32], kernel: NDArray[np.float32], bias: NDArray[np.float32], stride: int
) -> NDArray[np.float32]:
    """A convolution that keeps the size (but for its stride), as one product of matrices."""
    margin = kernel.shape[2] // 2
    x = np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)
    count, rows, columns = windows.shape[:3]
    flat = windows.reshape(count * rows * columns, -1) @ kernel.reshape(len(kernel), -1).T + bias
    return flat.reshape(count, rows, columns, -1).transpose(0, 3, 1, 2)
