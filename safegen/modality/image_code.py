"""A perceptual code that finds a picture again after its metadata was stripped (ISO 24138).

JPEG, resizing and brightness change a few of the 64 bits; another picture, about half of them.
A fingerprint is a hint where to look, not a proof of origin.

It is computed by two products of matrices, without numpy, which takes longer to load than a picture
to verify, and by iscc-core, the standard's own library, where rounding could decide a bit; a test
holds both to the same bits (docs/decisions/0020-compare-by-matrices.md).
"""

from __future__ import annotations

import base64
import binascii
import functools
import math
from operator import add, mul, sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CODE_BITS = 64
INPUT_SIDE_PIXELS = 32  # of the picture that is looked at
KEPT_FREQUENCIES = 8  # lowest frequencies of each axis that the code keeps
ROUNDING_TOLERANCE = 1e-6  # values reach 2^18, and rounding moves them by less than 1e-9
MAX_DIFFERING_SHARE = (
    0.25  # share of bits that may differ; measured on photographs of 64 to 256 pixels
)


def image_code(pixels: Sequence[int]) -> bytes:
    """The ISCC image code's 64 bits.

    Args:
        pixels: the 1,024 grey values of `modality.image.fingerprint_pixels`.

    Returns:
        8 bytes.
    """
    from iscc_core.code_content_image import soft_hash_image_v0

    return bytes(soft_hash_image_v0(pixels, bits=CODE_BITS))


def image_code_to_compare(pixels: Sequence[int]) -> bytes:
    """The same 64 bits, some ten times faster for most pictures.

    They say which of the 8 x 8 lowest frequencies of the discrete cosine transform (type II) are
    above their median. Of pictures with few colours or with symmetry, many are zero but for
    rounding; then the order of operations decides, and the library is asked.

    Args:
        pixels: as for `image_code`.

    Returns:
        8 bytes.
    """
    rows = [
        _low(pixels[start : start + INPUT_SIDE_PIXELS])
        for start in range(0, INPUT_SIDE_PIXELS * INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS)
    ]
    columns = [_low(column) for column in zip(*rows, strict=True)]  # one for each frequency across
    low = [value for row in zip(*columns, strict=True) for value in row]
    ordered = sorted(low)
    below, above = ordered[CODE_BITS // 2 - 1], ordered[CODE_BITS // 2]
    if above - below < ROUNDING_TOLERANCE:
        return image_code(pixels)
    median = (below + above) / 2
    bits = "".join("1" if value > median else "0" for value in low)
    return int(bits, 2).to_bytes(CODE_BITS // 8, "big")


def _low(values: Sequence[float]) -> list[float]:
    """The lowest frequencies of 32 values; each cosine is even or odd about their middle."""
    half = values[: INPUT_SIDE_PIXELS // 2]
    other = values[: INPUT_SIDE_PIXELS // 2 - 1 : -1]
    folded = list(map(add, half, other)), list(map(sub, half, other))
    return [sum(map(mul, cosine, folded[k % 2])) for k, cosine in enumerate(_cosines())]


@functools.cache
def _cosines() -> tuple[tuple[float, ...], ...]:
    """cos(pi (2 n + 1) k / 64) for n below 16, a row for each of the lowest frequencies k."""
    return tuple(
        tuple(
            math.cos(math.pi * (2 * n + 1) * k / (2 * INPUT_SIDE_PIXELS))
            for n in range(INPUT_SIDE_PIXELS // 2)
        )
        for k in range(KEPT_FREQUENCIES)
    )


def decode(value: str) -> bytes | None:
    """A code from its base64 form in a manifest; None when it is not one."""
    try:
        code = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return code if len(code) * 8 == CODE_BITS else None


def difference(one: bytes, other: bytes) -> float:
    """Share of bits that differ, from 0 to 1.

    >>> difference(bytes([0b1111_0000]), bytes([0b1111_0011]))
    0.25
    """
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True)) / (8 * len(one))
