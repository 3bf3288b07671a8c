"""Where an ISO media file's samples and pictures lie, as its own tables say.

    meta/iloc                    items of HEIF and AVIF (ISO/IEC 14496-12, section 8.11.3)
    moov/trak/.../stco, co64     chunks of a film (section 8.7.5)
    moof/traf/tfhd, trun         runs of a film in fragments (sections 8.8.7 and 8.8.8)

They may point anywhere into the file, not only into its media data. Pure, and made for files of
strangers: what cannot be read raises `ValueError`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from safegen.provenance.media.layout import top_boxes

if TYPE_CHECKING:
    from collections.abc import Iterator

Range = tuple[int, int]

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
OFFSETS = {b"stco": "I", b"co64": "Q"}
IN_FILE = 0  # iloc's way to say that an item lies in the file, not in a box of small ones


def referenced(data: bytes) -> Iterator[Range]:
    """Ranges of the file that hold content; of chunks and runs the first byte alone.

    Raises:
        ValueError: its tables cannot be read.
    """
    try:
        for kind, start, end in top_boxes(data):
            if kind == b"moof":
                yield from _runs(data[start:end], start)
            else:
                yield from _below(kind, data[start:end], len(data))
    except (struct.error, IndexError) as error:
        raise ValueError("its tables are cut off") from error


def _below(kind: bytes, box: bytes, size: int) -> Iterator[Range]:
    if kind == b"iloc":
        yield from _items(_body(box), size)
    elif kind in OFFSETS:
        body, form = _body(box), OFFSETS[kind]
        (count,) = struct.unpack_from(">I", body, 4)
        for at in struct.unpack_from(f">{min(count, len(body))}{form}", body, 8):
            yield at, at + 1
    elif kind in CONTAINERS or kind == b"meta":
        inner = _body(box)
        if kind == b"meta" and inner[4:8] != b"hdlr":  # QuickTime's lacks a version
            inner = inner[4:]
        for each, start, end in top_boxes(inner):
            yield from _below(each, inner[start:end], size)


def _body(box: bytes) -> bytes:
    return box[16:] if box[:4] == b"\0\0\0\1" else box[8:]


def _items(body: bytes, size: int) -> Iterator[Range]:
    version, widths = body[0], body[4:6].hex()
    offset, length, base, index = (int(each, 16) for each in widths)
    numbers = 2 if version < 2 else 4  # bytes of a number of an item, and of how many there are
    at = 6

    def take(width: int) -> int:
        nonlocal at
        at += width
        if at > len(body):
            raise ValueError("a table of items is cut off")
        return int.from_bytes(body[at - width : at], "big")

    for _ in range(take(numbers)):
        take(numbers)
        method = take(2) & 15 if version else IN_FILE
        take(2)
        first = take(base)
        for _ in range(take(2)):
            take(index if version else 0)
            start, long = first + take(offset), take(length)
            if method == IN_FILE:
                yield start, start + long if long else size


def _runs(moof: bytes, moof_start: int) -> Iterator[Range]:
    inner = _body(moof)
    for kind, start, end in top_boxes(inner):
        if kind != b"traf":
            continue
        traf, base = _body(inner[start:end]), moof_start
        for each, first, last in top_boxes(traf):
            body = _body(traf[first:last])
            flags = int.from_bytes(body[1:4], "big")
            if each == b"tfhd" and flags & 1:
                (base,) = struct.unpack_from(">Q", body, 8)
            if each == b"trun" and flags & 1:
                (offset,) = struct.unpack_from(">i", body, 8)
                yield base + offset, base + offset + 1
