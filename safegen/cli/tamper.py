"""A copy of a signed picture with the lowest bit of one pixel changed, for the demo.

Saving a changed picture anew would drop its manifest, and anybody would notice. This keeps the
manifest and every other chunk of the PNG, and exchanges only the pixels.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def with_one_bit_changed(png: bytes) -> bytes:
    """Flip the lowest bit of the first channel of the middle pixel; keep all else.

    Args:
        png: a signed PNG of 8 bits a channel.
    """
    picture = Image.open(io.BytesIO(png))
    place = (picture.width // 2, picture.height // 2)
    pixel = picture.getpixel(place)
    if isinstance(pixel, tuple):
        picture.putpixel(place, (int(pixel[0]) ^ 1, *pixel[1:]))
    else:
        picture.putpixel(place, int(pixel or 0) ^ 1)
    file = io.BytesIO()
    picture.save(file, "PNG")
    pixels = [chunk for kind, chunk in _chunks(file.getvalue()) if kind == b"IDAT"]
    kept, placed = [PNG_SIGNATURE], False
    for kind, chunk in _chunks(png):
        if kind != b"IDAT":
            kept.append(chunk)
        elif not placed:
            kept += pixels
            placed = True
    return b"".join(kept)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's type, and its bytes from length to checksum (PNG specification, 5.3)."""
    start = len(PNG_SIGNATURE)
    while start < len(png):
        length, kind = struct.unpack_from(">I4s", png, start)
        end = start + 12 + length
        yield kind, png[start:end]
        start = end
