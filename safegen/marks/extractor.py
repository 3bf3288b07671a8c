"""The small network that reads a mark, in numpy alone, so that checking a file needs no torch.

A safetensors file holds its weights, pinned by a digest. It looks at the brightness of a square of
32 or 64 pixels twice, less the mean of all, and less the mean of each pixel's surroundings; passes
it through four convolutions, and says for every bit of the word how sure it is that it is 1.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from safegen.errors import TamperedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.marks.designs import Design

SLOPE = 0.1  # of what the leaky rectifier lets through below zero
COARSE_UNIT = 64.0  # values of brightness in one of the first channel's
FINE_UNIT = 10.0  # likewise of the second, where it begins to saturate
FINE_GAIN = 1.5
SURROUNDINGS = 5  # pixels: side of the square whose mean the second channel is less


@dataclass(frozen=True, slots=True)
class Extractor:
    """An extractor with its weights.

    Attributes:
        design: what it is.
        kernels: of its convolutions, each (out, in, rows, columns), float32.
        biases: of its convolutions, each (out,), float32.
        head: (word_bits, features), float32.
        head_bias: (word_bits,), float32.
        carriers: (word_bits, n, n), float32: what embedding writes for each bit, stretched to the
            picture.
    """

    design: Design
    kernels: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]
    head: NDArray[np.float32]
    head_bias: NDArray[np.float32]
    carriers: NDArray[np.float32]

    def logits(self, squares: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is read in squares.

        Args:
            squares: (count, side, side), float32 in [0, 255].

        Returns:
            (count, word_bits), float32; positive where a bit is likelier 1.
        """
        x = _channels(squares)
        for kernel, bias, stride in zip(
            self.kernels, self.biases, self.design.strides, strict=True
        ):
            x = _convolve(x, kernel, bias, stride)
            x = np.maximum(x, SLOPE * x)
        features = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        logits: NDArray[np.float32] = features @ self.head.T + self.head_bias
        return logits


@functools.cache
def extractor_of(design: Design) -> Extractor:
    """The extractor of a design, as it comes with safegen.

    Raises:
        TamperedError: its file is not the one that this version was published with.
    """
    data = (files("safegen.marks") / "weights" / design.file).read_bytes()
    return read_extractor(data, design)


def read_extractor(data: bytes, design: Design) -> Extractor:
    """An extractor from the bytes of its file.

    Raises:
        TamperedError: they are not what the design's digest says.
    """
    if hashlib.sha256(data).hexdigest() != design.digest:
        raise TamperedError(
            f"the extractor {design.file} is not the one that this version of safegen was"
            " published with; install safegen again"
        )
    try:
        tensors = load(data)
        layers = range(len(design.strides))
        return Extractor(
            design=design,
            kernels=tuple(tensors[f"convolutions.{layer}.weight"] for layer in layers),
            biases=tuple(tensors[f"convolutions.{layer}.bias"] for layer in layers),
            head=tensors["head.weight"],
            head_bias=tensors["head.bias"],
            carriers=tensors["carriers"],
        )
    except (SafetensorError, KeyError) as error:
        raise TamperedError(f"the extractor {design.file} is broken: {error}") from error


def _channels(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """(count, side, side) to (count, side, side, 2): both ways in which a square is looked at."""
    side, margin = squares.shape[1], SURROUNDINGS // 2
    coarse = (squares - squares.mean(axis=(1, 2), keepdims=True)) / np.float32(COARSE_UNIT)
    box = _box(side, margin)
    fine = np.tanh((squares - box @ squares @ box.T) / np.float32(FINE_UNIT))
    return np.stack([coarse, fine * np.float32(FINE_GAIN)], axis=-1)


@functools.cache
def _box(side: int, margin: int) -> NDArray[np.float32]:
    """(side, side): the mean of each place's surroundings, the edges continued."""
    matrix = np.zeros((side, side), dtype=np.float32)
    for place in range(side):
        for step in range(-margin, margin + 1):
            matrix[place, min(max(place + step, 0), side - 1)] += 1 / (2 * margin + 1)
    return matrix


def _convolve(
    x: NDArray[np.float32], kernel: NDArray[np.float32], bias: NDArray[np.float32], stride: int
) -> NDArray[np.float32]:
    """A convolution that keeps the size (but for its stride), as one product of matrices.

    Args:
        x: (count, rows, columns, in), float32: channels last, as the product wants them.
        kernel: (out, in, side, side), float32.
        bias: (out,), float32.
        stride: of the convolution.

    Returns:
        (count, rows / stride, columns / stride, out), float32.
    """
    side = kernel.shape[2]
    count, rows, columns, channels = x.shape
    padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)))
    high, wide = -(-rows // stride), -(-columns // stride)
    windows = np.empty((count, high, wide, side * side, channels), dtype=np.float32)
    for down in range(side):
        for across in range(side):
            windows[:, :, :, down * side + across] = padded[
                :, down : down + rows : stride, across : across + columns : stride
            ]
    weights = kernel.transpose(2, 3, 1, 0).reshape(-1, len(kernel))
    product: NDArray[np.float32] = windows.reshape(count * high * wide, -1) @ weights + bias
    return product.reshape(count, high, wide, -1)
