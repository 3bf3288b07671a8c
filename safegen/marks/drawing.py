"""Pictures to train extractors with: drawn ones, and public ones that everybody has; in torch.

Drawn are fractal fields, shaded shapes, and objects on plain ground. Public are the two photographs
that scikit-learn brings along (Creative Commons Attribution 2.0; the model card names their
photographers), and Fashion-MNIST (MIT) where its file is given.
"""

from __future__ import annotations

import functools
import gzip
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.errors import DataError
from safegen.marks.networks import brightness_of, resample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    _Random = Callable[[], torch.Tensor]

SHAPES = 4  # on a drawn picture, at most
HEADER_BYTES = 16  # of an idx file of pictures


def drawn(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Drawn pictures.

    Args:
        count: how many.
        side: in pixels.
        generator: decides on everything.

    Returns:
        (count, 1, side, side), float32, whole numbers in [0, 255].
    """

    def random() -> torch.Tensor:
        return torch.rand(count, 1, 1, generator=generator)

    def field(roughness: torch.Tensor) -> torch.Tensor:
        return _field(count, side, roughness, generator)

    down, across = torch.meshgrid(
        torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij"
    )
    pictures = 40 + 180 * random() + 80 * random() * field(0.8 + 1.8 * random())
    for _ in range(SHAPES):
        inside = _shape(down, across, random)
        shade = 255 * random() + 40 * random() * field(1 + random())
        there = random() < 0.65
        pictures = torch.where(there, pictures * (1 - inside) + shade * inside, pictures)
    outline = field(torch.full((count, 1, 1), 1.8)) - 2 * (down**2 + across**2) + 0.6
    object_ = torch.sigmoid(12 * outline)
    ground = torch.where(random() < 0.7, 0.0, 255.0)
    alone = random() < 0.4
    pictures = torch.where(alone, pictures * object_ + ground * (1 - object_), pictures)
    dark = random() < 0.25
    pictures = torch.where(dark, pictures * (0.1 + 0.5 * random()), pictures)
    return pictures.clamp(0, 255).round()[:, None]


def photographed(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Pieces of photographs, some mirrored, their contrast and brightness changed; as `drawn`."""
    pieces = []
    for _ in range(count):
        which, zoom, top, left, mirrored, contrast, light = torch.rand(7, generator=generator)
        photograph = _photographs()[int(which < 0.5)]
        height, width = photograph.shape[2:]
        size = int(side + (height - side) * zoom**2)
        row, column = int(top * (height - size + 1)), int(left * (width - size + 1))
        piece = resample(photograph[:, :, row : row + size, column : column + size], side)
        piece = piece.flip(3) if mirrored < 0.5 else piece
        pieces.append((piece - 128) * (0.6 + 0.7 * contrast) + 128 + 60 * (light - 0.5))
    return torch.cat(pieces).clamp(0, 255).round()


def garments(path: Path, count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Pictures of an idx file, such as Fashion-MNIST's; as `drawn`.

    Raises:
        DataError: it is no idx file of pictures.
    """
    every = _idx(path)
    some = every[torch.randint(len(every), (count,), generator=generator)].float()
    return resample(some, side).round()


def _field(
    count: int, side: int, roughness: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """(count, side, side): Gaussian noise whose spectrum falls by a power of frequency."""
    frequency = torch.fft.fftfreq(side)[:, None] ** 2 + torch.fft.rfftfreq(side)[None] ** 2
    frequency = frequency.sqrt().clamp_min(1 / side)
    shape = (count, side, side // 2 + 1)
    noise = torch.complex(
        torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
    )
    values = torch.fft.irfft2(noise * frequency[None] ** (-roughness), s=(side, side))
    values = values - values.mean(dim=(1, 2), keepdim=True)
    scaled: torch.Tensor = values / values.std(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    return scaled


def _shape(down: torch.Tensor, across: torch.Tensor, random: _Random) -> torch.Tensor:
    """(count, side, side), in [0, 1]: an ellipse or a box somewhere, its edge hard or soft."""
    row, column = 0.7 * (2 * random() - 1), 0.7 * (2 * random() - 1)
    long, short, angle = 0.15 + 0.6 * random(), 0.1 + 0.5 * random(), math.pi * random()
    u = (across - column) * angle.cos() + (down - row) * angle.sin()
    v = (down - row) * angle.cos() - (across - column) * angle.sin()
    ellipse = (u / long) ** 2 + (v / short) ** 2
    box = torch.maximum((u / long).abs(), (v / short).abs()) ** 2
    edge = torch.where(random() < 0.5, ellipse, box)
    return torch.sigmoid((1 - edge) * (2 + 16 * random()))


@functools.cache
def _photographs() -> tuple[torch.Tensor, ...]:
    from sklearn.datasets import load_sample_images

    return tuple(
        brightness_of(torch.from_numpy(image.astype(np.float32).transpose(2, 0, 1))[None])
        for image in load_sample_images().images
    )


@functools.cache
def _idx(path: Path) -> torch.Tensor:
    try:
        data = gzip.decompress(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} is no compressed idx file: {error}") from error
    sizes = np.frombuffer(data[:HEADER_BYTES].ljust(HEADER_BYTES), dtype=">i4")
    if sizes[0] != 0x803 or len(data) != HEADER_BYTES + sizes[1:].prod():
        raise DataError(f"{path} is no idx file of pictures")
    pixels = np.frombuffer(data, dtype=np.uint8, offset=HEADER_BYTES)
    return torch.from_numpy(pixels.reshape(-1, 1, sizes[2], sizes[3]).copy())
