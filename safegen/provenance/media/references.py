"""Where an ISO media file's samples and pictures lie, as its own tables say.

    meta/iloc                        items of HEIF and AVIF (ISO/IEC 14496-12, section 8.11.3)
    moov/trak/.../stbl               chunks of a film: stco or co64, stsc, stsz (section 8.7)
    moof/traf/tfhd, trun, mvex/trex  runs of a film in fragments (section 8.8)
    dinf/dref                        other files that its content may lie in (section 8.7.2)

They may point anywhere into the file, not only into its media data. Pure, and made for files of
strangers: what cannot be read raises `ValueError`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from safegen.provenance.media.layout import top_boxes
from safegen.provenance.media.samples import chunks, runs

if TYPE_CHECKING:
    from collections.abc import Iterator

Range = tuple[int, int]

CONTAINER_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"mvex", b"udta"}
STARTS = {b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip"}  # first boxes of films
IN_FILE = 0  # iloc's way to say that an item lies in the file, not in a box of small ones
DEEPEST = 16  # boxes inside one another
SELF_CONTAINED = 1  # a data reference's flag: this very file
INSIDE = {b"imdt", b"snim"}  # references to boxes of the same file


def is_boxed(data: bytes) -> bool:
    """Whether a file begins as ISO media files do."""
    return data[4:8] in STARTS


def referenced(data: bytes) -> Iterator[Range]:
    """Ranges of the file that hold content; of what has no stated length the first byte alone.

    Raises:
        ValueError: its tables cannot be read.
    """
    try:
        sizes = dict(_default_sizes(data))
        for kind, start, end in top_boxes(data):
            if kind == b"moof":
                yield from runs(_body(data[start:end]), start, sizes)
        for kind, box in _every(data):
            if kind == b"iloc":
                yield from _items(_body(box), len(data))
            elif kind == b"stbl":
                yield from chunks(_body(box))
    except (struct.error, IndexError) as error:
        raise ValueError("its tables are cut off") from error


def elsewhere(data: bytes) -> bool:
    """Whether some of its content may lie in another file, which no hash of this one covers.

    Raises:
        ValueError: its tables cannot be read.
    """
    return any(_is_external(_body(box)) for kind, box in _every(data) if kind == b"dref")


def _is_external(references: bytes) -> bool:
    """Whether an entry of a table of data references is of another file."""
    inner = references[8:]
    return any(
        kind not in INSIDE and not (end > start + 11 and inner[start + 11] & SELF_CONTAINED)
        for kind, start, end in top_boxes(inner)
    )


def _every(data: bytes, depth: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """The boxes that tables lie in, however deep."""
    if depth > DEEPEST:
        raise ValueError("its boxes lie too deep inside one another")
    for kind, start, end in top_boxes(data):
        box = data[start:end] if kind not in {b"mdat", b"moof"} else b""
        if kind in CONTAINER_BOXES:
            yield from _every(_body(box), depth + 1)
        elif kind == b"meta":
            inner = _body(box)
            plain = inner[4:8] == b"hdlr"  # QuickTime's lacks a version
            yield from _every(inner if plain else inner[4:], depth + 1)
        elif box:
            yield kind, box


def _body(box: bytes) -> bytes:
    return box[16:] if box[:4] == b"\0\0\0\1" else box[8:]


def _default_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """The size of each track's samples in fragments, where those do not say."""
    for kind, box in _every(data):
        if kind == b"trex":
            track, _, _, size = struct.unpack_from(">4I", _body(box), 4)
            yield track, size


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
