"""How far a film's samples reach: chunks of a track, and runs of a fragment; pure.

ISO/IEC 14496-12, sections 8.7 and 8.8. A chunk begins where `stco` says, holds as many samples as
`stsc` says, each as long as `stsz` or `stz2` says. A run says all of that itself, or leaves it to
its track.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from safegen.provenance.media.layout import top_boxes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Range = tuple[int, int]

OFFSETS = {b"stco": "I", b"co64": "Q"}
HEADER_FIELDS = ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4))  # of tfhd, by flag: bytes, in order
BASE, SIZE, FROM_MOOF = 0x1, 0x10, 0x20000  # of them: where data begins, a sample's size
RUN_OFFSET, RUN_FLAGS, RUN_SIZES = 0x1, 0x4, 0x200
SAMPLE_FIELDS = (0x100, 0x200, 0x400, 0x800)  # of a sample in trun, by flag; 4 bytes each


def chunks(table: bytes) -> Iterator[Range]:
    """The chunks of one track, from the body of its sample table.

    Raises:
        struct.error: a table is cut off.
        ValueError: likewise.
    """
    boxes = {kind: table[start + 8 : end] for kind, start, end in top_boxes(table)}
    length = _lengths(boxes)
    for kind, form in OFFSETS.items():
        if kind not in boxes:
            continue
        body = boxes[kind]
        (count,) = struct.unpack_from(">I", body, 4)
        starts = struct.unpack_from(f">{min(count, len(body))}{form}", body, 8)
        held = _samples_held(boxes.get(b"stsc"), len(starts))
        first = 0
        for start, samples in zip(starts, held, strict=True):
            yield start, start + max(length(first, samples), 1)
            first += samples


def _lengths(boxes: Mapping[bytes, bytes]) -> Callable[[int, int], int]:
    """How many bytes some of a track's samples have, by the first's number and their count."""
    if b"stsz" in boxes:
        size, count = struct.unpack_from(">II", boxes[b"stsz"], 4)
        if size:
            return lambda first, samples: size * max(min(samples, count - first), 0)
        sizes = struct.unpack_from(f">{min(count, len(boxes[b'stsz']))}I", boxes[b"stsz"], 12)
    elif b"stz2" in boxes:
        sizes = _compact(boxes[b"stz2"])
    else:
        return lambda *_: 0
    return lambda first, samples: sum(sizes[first : first + samples])


def _compact(body: bytes) -> tuple[int, ...]:
    bits, (count,) = body[7], struct.unpack_from(">I", body, 8)
    held = body[12 : 12 + (count * bits + 7) // 8]
    if bits == 4:
        return tuple(half for byte in held for half in (byte >> 4, byte & 15))[:count]
    return struct.unpack_from(f">{count}{'B' if bits == 8 else 'H'}", held)


def _samples_held(body: bytes | None, chunk_count: int) -> list[int]:
    """How many samples each chunk holds; one, where nothing says."""
    if body is None:
        return [1] * chunk_count
    (count,) = struct.unpack_from(">I", body, 4)
    held: list[int] = []
    for place in range(min(count, len(body))):
        first, samples, _ = struct.unpack_from(">3I", body, 8 + 12 * place)
        held += [held[-1] if held else 1] * max(min(first - 1, chunk_count) - len(held), 0)
        held[first - 1 :] = [samples]
    held += [held[-1] if held else 1] * (chunk_count - len(held))
    return held[:chunk_count]


def runs(moof: bytes, moof_start: int, sizes: Mapping[int, int]) -> Iterator[Range]:
    """The runs of one fragment.

    Args:
        moof: the fragment's body.
        moof_start: where its box begins in the file.
        sizes: of a sample of each track, where a fragment does not say.

    Raises:
        struct.error: a table is cut off.
        ValueError: likewise.
    """
    end = moof_start
    for kind, start, last in top_boxes(moof):
        if kind != b"traf":
            continue
        traf, base, size = moof[start + 8 : last], end, 0
        for each, first, until in top_boxes(traf):
            body = traf[first + 8 : until]
            flags = int.from_bytes(body[1:4], "big")
            if each == b"tfhd":
                stated = _header(body, flags)
                base = stated.get(BASE, moof_start if flags & FROM_MOOF else base)
                (track,) = struct.unpack_from(">I", body, 4)
                size, end = stated.get(SIZE, sizes.get(track, 0)), base
            elif each == b"trun":
                begin, end = _run(body, flags, (base, end), size)
                yield begin, max(end, begin + 1)


def _header(body: bytes, flags: int) -> dict[int, int]:
    stated, at = {}, 8
    for flag, width in HEADER_FIELDS:
        if flags & flag:
            stated[flag] = int.from_bytes(body[at : at + width], "big")
            at += width
    return stated


def _run(body: bytes, flags: int, places: Range, size: int) -> Range:
    """One run; `places` are where its track's data begin, and where the run before it ended."""
    (count,), (base, start) = struct.unpack_from(">I", body, 4), places
    at = 8
    if flags & RUN_OFFSET:
        start = base + struct.unpack_from(">i", body, at)[0]
        at += 4
    if flags & RUN_FLAGS:
        at += 4
    present = [flag for flag in SAMPLE_FIELDS if flags & flag]
    if RUN_SIZES not in present:
        return start, start + size * count
    form = f">{min(count, len(body)) * len(present)}I"
    fields = struct.unpack_from(form, body, at)
    return start, start + sum(fields[present.index(RUN_SIZES) :: len(present)])
