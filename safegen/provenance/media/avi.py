"""Where an AVI film's frames lie, as its indexes say; pure, and made for files of strangers.

    RIFF "AVI "            the film; a long one goes on in further RIFF "AVIX" (OpenDML 1.02)
      LIST hdrl .. indx    for each stream, where its indexes are
      LIST movi            the frames, and indexes `ix..` of where they are
      idx1                 the old index, from the beginning of movi's name or of the file

An index may point anywhere into the file: also into what is called metadata, or the manifest.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Range = tuple[int, int]

LISTS = {b"RIFF", b"LIST"}
WALKED = {b"AVI ", b"AVIX", b"hdrl", b"strl", b"movi", b"rec "}
OF_INDEXES, OF_CHUNKS = 0, 1  # what an OpenDML index points at
DEEPEST = 16  # lists inside one another
MOST = 1_000_000  # chunks that are looked at


def frames(data: bytes) -> list[Range]:
    """The ranges that indexes call frames, in order, neighbours taken together.

    Raises:
        ValueError: an index cannot be read.
    """
    try:
        found = sorted(_indexed(data))
    except struct.error as error:
        raise ValueError("an index is cut off") from error
    together: list[Range] = []
    for start, end in found:
        if together and start <= together[-1][1] + 9:  # a head of 8 bytes, and one that fills up
            together[-1] = (together[-1][0], max(end, together[-1][1]))
        else:
            together.append((start, end))
    return together


def _indexed(data: bytes) -> Iterator[Range]:
    begin = None
    for number, (kind, start, end) in enumerate(_chunks(data, 0, len(data))):
        if number > MOST:
            raise ValueError("it has too many chunks")
        if kind == b"movi" and begin is None:
            begin = start
        elif kind == b"idx1":
            yield from _old_index(data, start, end, begin)
        elif kind == b"indx" or kind[:2] == b"ix":
            yield from _index(data, start, end)


def _chunks(data: bytes, at: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Chunks and lists, however deep: a name, the first byte behind its length, and its end.

    A list has its own name's first byte, from which the old index counts.
    """
    if depth > DEEPEST:
        raise ValueError("its lists lie too deep inside one another")
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        last = min(at + 8 + length, end)
        name = data[at + 8 : at + 12]
        if kind in LISTS and name in WALKED:
            yield name, at + 8, last
            yield from _chunks(data, at + 12, last, depth + 1)
        else:
            yield kind, at + 8, last
        at += 8 + length + length % 2


def _old_index(data: bytes, start: int, end: int, begin: int | None) -> Iterator[Range]:
    base = None
    for at in range(start, end - 15, 16):
        name, _, offset, size = struct.unpack_from("<4s3I", data, at)
        if base is None:  # both ways of counting are written; the first frame's name tells which
            there = begin is not None and data[begin + offset : begin + offset + 4] == name
            base = begin if there and begin is not None else 0
        yield base + offset, base + offset + 8 + size


def _index(data: bytes, start: int, end: int) -> Iterator[Range]:
    if end - start < 24:
        raise ValueError("an index is cut off")
    words, kind, count = (
        data[start],
        data[start + 3],
        int.from_bytes(data[start + 4 : start + 8], "little"),
    )
    if kind == OF_INDEXES:  # where those lie that are not in movi
        for at in range(start + 24, min(start + 24 + 16 * count, end - 15), 16):
            place, size = struct.unpack_from("<QI", data, at)
            yield place, place + size
            if place + 32 <= len(data):
                last = min(place + 8 + struct.unpack_from("<I", data, place + 4)[0], len(data))
                yield from _of_chunks(data, place + 8, last)
    elif kind == OF_CHUNKS:
        yield from _of_chunks(data, start, end, words)


def _of_chunks(data: bytes, start: int, end: int, words: int | None = None) -> Iterator[Range]:
    if data[start + 3] != OF_CHUNKS or end - start < 24:
        return
    step = 4 * (data[start] if words is None else words)
    (count,), (base,) = (
        struct.unpack_from("<I", data, start + 4),
        struct.unpack_from("<Q", data, start + 12),
    )
    if step < 8:
        raise ValueError("an index has entries without a length")
    for at in range(start + 24, min(start + 24 + step * count, end - step + 1), step):
        offset, size = struct.unpack_from("<II", data, at)
        yield base + offset, base + offset + (size & 0x7FFFFFFF)
