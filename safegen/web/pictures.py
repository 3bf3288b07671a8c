"""Whether a picture can be shown beside its verdict: how large it is, from its header alone.

A few kilobytes can be a picture of gigabytes, which a browser would unpack. Nothing is decoded.
"""

from __future__ import annotations

import struct

MAX_SIDE_PIXELS = 4096  # pixels of a picture that is shown
_FRAME_MARKERS = frozenset(
    {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
)  # SOF of JPEG (T.81, table B.1)


def has_moderate_size(kind: str | None, data: bytes) -> bool:
    """Whether it is a PNG, JPEG or GIF of at most `MAX_SIDE_PIXELS` a side."""
    sizes = {"image/png": _png, "image/gif": _gif, "image/jpeg": _jpeg}
    try:
        size = sizes[kind](data) if kind in sizes else None
    except (struct.error, IndexError):
        return False
    return size is not None and min(size) > 0 and max(size) <= MAX_SIDE_PIXELS


def _png(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR" or b"acTL" in data[:4096]:  # one that moves
        return None
    return struct.unpack(">II", data[16:24])


def _gif(data: bytes) -> tuple[int, int]:
    return struct.unpack("<HH", data[6:10])


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk segments up to the frame's header."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAME_MARKERS:
            return struct.unpack(">HH", data[at + 5 : at + 9])
        if length < 2:
            return None
        at += 2 + length
    return None
