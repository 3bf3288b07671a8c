"""Writing marks into pictures; needs torch, which whoever generates has loaded anyway."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

from safegen.errors import InputError
from safegen.marks import codes
from safegen.marks.designs import design_for
from safegen.marks.detect import checked
from safegen.marks.extractor import extractor_of
from safegen.marks.networks import network_of
from safegen.marks.refining import refined
from safegen.marks.writing import Canvas, root_mean_square_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from safegen.marks.designs import Design
    from safegen.marks.networks import ExtractorNetwork

Mode = Literal["speed", "quality"]
PSNR = 37.0  # dB, by default
WEAKEST, STRONGEST = 50.0, 28.0  # dB: fainter cannot be read, and stronger is plain to see
TOGETHER = 64  # pictures of a batch, for the memory that it takes
PASSES = 6  # times that the extractor is asked in either mode


def embed(
    pictures: NDArray[np.uint8],
    payloads: Sequence[int] | NDArray[np.uint64],
    *,
    key: bytes,
    psnr: float = PSNR,
    mode: Mode = "speed",
) -> NDArray[np.uint8]:
    """Pictures that carry marks.

    Args:
        pictures: (count, height, width) or (count, 1 or 3, height, width), uint8.
        payloads: (count,), one for each picture; `safegen.marks.designs.design_for` says how many
            bits one has at this size.
        key: the ledger's random name, at least 16 bytes.
        psnr: in dB, from 28 to 50: how much pictures may be changed, to about 0.2 dB, for values
            are whole. They are changed less where the bound on what is seen in flat
            areas stands against it.
        mode: `speed` writes in a few forward passes; `quality` also follows the extractor's
            gradient through random distortions, and takes some ten times as long.

    Returns:
        Of the same shape, uint8. The same arguments give the same pictures.

    Raises:
        InputError: pictures are not grey or RGB of 8 bits a channel, are too small, or one has a
            single colour; there are more or fewer payloads; or an option is out of its range.
    """
    design, stacked = _checked(pictures, payloads, psnr=psnr, mode=mode)
    words = codes.words(payloads, design.word_bits, key)
    network = _network(design)
    marked = [
        _write(
            network,
            torch.from_numpy(stacked[at : at + TOGETHER].astype(np.float32)),
            torch.from_numpy(words[at : at + TOGETHER].astype(np.float32)) * 2 - 1,
            psnr=psnr,
            mode=mode,
        )
        for at in range(0, len(stacked), TOGETHER)
    ]
    return np.concatenate([np.empty_like(stacked[:0]), *marked]).reshape(pictures.shape)


def _write(
    network: ExtractorNetwork,
    pictures: torch.Tensor,
    signs: torch.Tensor,
    *,
    psnr: float,
    mode: str,
) -> NDArray[np.uint8]:
    canvas = Canvas(network, pictures, root_mean_square_of(psnr))
    with torch.no_grad():
        marked = canvas.marked(canvas.amplitudes(signs, PASSES))
    if mode == "quality":
        marked = refined(canvas, marked, signs)
    return marked.round().clamp(0, 255).to(torch.uint8).numpy()


def _checked(
    pictures: NDArray[np.uint8],
    payloads: Sequence[int] | NDArray[np.uint64],
    *,
    psnr: float,
    mode: str,
) -> tuple[Design, NDArray[np.uint8]]:
    if mode not in get_args(Mode):
        raise InputError(f"marks are written in mode {' or '.join(get_args(Mode))}, not {mode!r}")
    if not STRONGEST <= psnr <= WEAKEST:
        raise InputError(f"a PSNR of marks is from {STRONGEST:g} to {WEAKEST:g} dB, not {psnr:g}")
    if pictures.ndim not in {3, 4}:
        raise InputError(
            "pictures to mark come as (count, height, width) or (count, channels, height, width),"
            f" not as {pictures.shape}"
        )
    if len(pictures) != len(payloads):
        raise InputError(f"{len(pictures)} pictures take as many payloads, not {len(payloads)}")
    for picture in pictures:
        checked(picture)
    stacked = pictures[:, None] if pictures.ndim == 3 else pictures
    return design_for(*pictures.shape[-2:]), stacked


@functools.cache
def _network(design: Design) -> ExtractorNetwork:
    return network_of(extractor_of(design))
