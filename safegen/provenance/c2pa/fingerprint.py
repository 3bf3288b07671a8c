"""A perceptual code that finds a picture again after its metadata was stripped (ISO 24138).

JPEG, resizing and brightness change a few of the 64 bits; another picture, about half of them.
A fingerprint is a hint where to look, not a proof of origin.

What is signed is computed by iscc-core, the standard's own library. What is only compared is
computed by two products of matrices, and by iscc-core where rounding could decide a bit
(docs/decisions/0020-compare-by-matrices.md).
"""

from __future__ import annotations

import base64
import binascii
import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BITS = 64
SIDE = 32  # of the picture that is looked at
LOW = 8  # lowest frequencies of each axis that the code keeps
CLOSE = 1e-6  # values reach 2^18, and rounding moves them by less than 1e-9
ALIKE = 0.25  # share of bits that may differ; measured on photographs of 64 to 256 pixels


def image_code(pixels: Sequence[int]) -> bytes:
    """The ISCC image code's 64 bits.

    Args:
        pixels: the 1,024 grey values of `modality.image.fingerprint_pixels`.

    Returns:
        8 bytes.
    """
    from iscc_core.code_content_image import soft_hash_image_v0

    return bytes(soft_hash_image_v0(pixels, bits=BITS))


def image_code_to_compare(pixels: Sequence[int]) -> bytes:
    """The same 64 bits, some fifty times faster for most pictures.

    They say which of the 8 x 8 lowest frequencies of the discrete cosine transform (type II) are
    above their median. Of pictures with few colours or with symmetry, many are zero but for
    rounding; then the order of operations decides, and the library is asked.

    Args:
        pixels: as for `image_code`.

    Returns:
        8 bytes.
    """
    picture = np.array(pixels, dtype=np.float64).reshape(SIDE, SIDE)
    cosines = _cosines()
    low = (cosines @ picture @ cosines.T).ravel()
    ordered = np.sort(low)
    below, above = ordered[BITS // 2 - 1], ordered[BITS // 2]
    if above - below < CLOSE:
        return image_code(pixels)
    return np.packbits(low > (below + above) / 2).tobytes()


@functools.cache
def _cosines() -> NDArray[np.float64]:
    """cos(pi (2 n + 1) k / 64), a row for each of the lowest frequencies k."""
    k, n = np.arange(LOW)[:, None], np.arange(SIDE)[None, :]
    matrix: NDArray[np.float64] = np.cos(np.pi * (2 * n + 1) * k / (2 * SIDE))
    return matrix


def decode(value: str) -> bytes | None:
    """A code from its base64 form in a manifest; None when it is not one."""
    try:
        code = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return code if len(code) * 8 == BITS else None


def difference(one: bytes, other: bytes) -> float:
    """Share of bits that differ, from 0 to 1.

    >>> difference(bytes([0b1111_0000]), bytes([0b1111_0011]))
    0.25
    """
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True)) / (8 * len(one))
