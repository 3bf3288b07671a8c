"""A perceptual code that finds a picture again after its metadata was stripped (ISO 24138).

JPEG, resizing and brightness change a few of the 64 bits; another picture, about half of them.
A fingerprint is a hint where to look, not a proof of origin.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BITS = 64
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
