"""The parts of a file in its own format: which are its manifest, which metadata, which content.

Only formats whose parts can be told apart for certain are here. The names are those of C2PA 2.4
(section 18.7, general box hash), by which a manifest lists what it hashes. Pure, and made for files
of strangers: whatever does not add up is no layout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

from safegen.provenance.media.avi import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Kind = Literal["manifest", "metadata", "content"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_METADATA = {b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"}
JPEG_METADATA = {0xE1, 0xED, 0xFE}  # APP1 (Exif, XMP), APP13 (IPTC), a comment
JPEG_BARE = {0x01, 0xD8, 0xD9, *range(0xD0, 0xD8)}  # markers without a length
JXL_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
JXL_METADATA = {b"Exif", b"xml "}
RIFF_METADATA = {b"EXIF", b"XMP ", b"_PMX", b"iXML", b"bext"}
TIFF_MANIFEST = 0xCD41
TIFF_METADATA = {700, 33723, 34377}  # XMP, IPTC, Photoshop's
TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 13: 4, 16: 8, 18: 8}  # bytes of a value by type
TIFF_NUMBERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # forms of whole numbers by type
TIFF_PIXELS = {273: 279, 324: 325, 513: 514}  # places of strips, tiles, a JPEG; of their lengths
TIFF_INNER = 330  # places of directories below this one
MAX_PARTS = 100_000  # parts; strangers write files


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file, in the order in which they stand.

    Attributes:
        name: C2PA's; empty where it gives none, such as to what follows the end of a picture.
        start: its first byte.
        end: the first byte behind it.
        kind: what it is for; anything unknown is content.
    """

    name: str
    start: int
    end: int
    kind: Kind


def parts_of(data: bytes) -> tuple[Part, ...] | None:
    """All parts of a PNG, JPEG, GIF or JPEG XL; of RIFF those that are no content; of TIFF some.

    Those of a TIFF are the same and its pixels. They lie where its entries say, so that one that is
    called metadata can hold pixels; parts of other formats never meet.

    None where a file is of another format, or not in order.
    """
    walk = next((walk for starts, walk in _WALKS.items() if data.startswith(starts)), None)
    if walk is None:
        return None
    parts: list[Part] = []
    try:
        for part in walk(data):
            parts.append(part)
            if part.end > len(data) or len(parts) > MAX_PARTS:
                return None
    except (IndexError, ValueError, struct.error):
        return None
    return tuple(parts)


def top_boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The outermost boxes of an ISO media file: their kind, first byte and end."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, at + 8)
        end = len(data) if length == 0 else at + length
        if not at + 8 <= end <= len(data):
            raise ValueError("a box is longer than its file")
        yield kind, at, end
        at = end


def _png(data: bytes) -> Iterator[Part]:
    yield Part("PNGh", 0, len(PNG_SIGNATURE), "content")
    at, kind = len(PNG_SIGNATURE), b""
    while at < len(data):
        if kind == b"IEND":
            yield Part("", at, len(data), "content")
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind == b"caBX":
            yield Part("C2PA", at, end, "manifest")
        else:
            metadata = kind in PNG_METADATA
            yield Part(kind.decode("latin-1"), at, end, "metadata" if metadata else "content")
        at = end


def _jpeg(data: bytes) -> Iterator[Part]:
    """Segments; what is compressed belongs to the scan before it.

    The manifest is spread over segments with one identifier, of which only the first says so.
    """
    at, store, marker = 0, b"", 0x00
    while at < len(data):
        if marker == 0xD9 and data[at] != 0xFF:  # what some cameras append
            yield Part("", at, len(data), "content")
            return
        while data[at + 1] == 0xFF:  # a marker may be preceded by any number of these
            at += 1
        marker, end = data[at + 1], at + 2
        if data[at] != 0xFF or marker == 0x00:
            raise ValueError("no marker")
        if marker not in JPEG_BARE:
            end += int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            end = _end_of_scan(data, end)
        begins = data[at + 28 : at + 32] == b"c2pa"
        if marker == 0xEB and (begins or data[at + 4 : at + 8] == store):
            store = data[at + 4 : at + 8]
            yield Part("C2PA" if begins else "", at, end, "manifest")
        else:
            yield Part(
                _jpeg_name(marker), at, end, "metadata" if marker in JPEG_METADATA else "content"
            )
        at = end


def _end_of_scan(data: bytes, at: int) -> int:
    """The next marker that is neither a restart of the scan nor a byte that only looks like one."""
    while at < len(data):
        at = data.find(b"\xff", at)
        if at < 0:
            return len(data)
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2
    return len(data)


def _jpeg_name(marker: int) -> str:
    named = {0xC4: "DHT", 0xC8: "JPG", 0xCC: "DAC", 0xD8: "SOI", 0xD9: "EOI", 0xDA: "SOS"}
    named |= {0xDB: "DQT", 0xDC: "DNL", 0xDD: "DRI", 0xFE: "COM", 0x01: "TEM"}
    if marker in named:
        return named[marker]
    for first, name in ((0xC0, "SOF"), (0xD0, "RST"), (0xE0, "APP"), (0xF0, "JPG")):
        if first <= marker < first + 16:
            return f"{name}{marker - first}"
    return f"{marker:02X}"


def _gif(data: bytes) -> Iterator[Part]:
    """Blocks; a table of colours belongs to the block before it."""
    yield Part("GIF89a", 0, 6, "content")
    at = 13 + _colours(data[10])
    yield Part("LSD", 6, at, "content")
    while at < len(data):
        kind = data[at]
        if kind == 0x21:
            end, label = _end_of_blocks(data, at + 2), data[at + 1]
            yield _gif_extension(data[at + 3 : at + 14], label, at, end)
        elif kind == 0x2C:
            middle = at + 10 + _colours(data[at + 9])
            yield Part("2C", at, middle, "content")
            end = _end_of_blocks(data, middle + 1)
            yield Part("TBID", middle, end, "content")
        else:
            end = at + 1 if kind == 0x3B else len(data)
            yield Part(f"{kind:02X}", at, end, "content")
        at = end


def _gif_extension(application: bytes, label: int, at: int, end: int) -> Part:
    if label == 0xFF and application[:8] == b"C2PA_GIF":
        return Part("C2PA", at, end, "manifest")
    xmp = label == 0xFF and application[:8] == b"XMP Data"
    return Part(f"21{label:02X}", at, end, "metadata" if xmp or label == 0xFE else "content")


def _colours(flags: int) -> int:
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _end_of_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _jxl(data: bytes) -> Iterator[Part]:
    """Boxes; only the one whose description says so is the manifest, of several of its kind."""
    for kind, at, end in top_boxes(data):
        if kind == b"jumb" and data[at + 16 : at + 20] == b"c2pa":
            yield Part("C2PA", at, end, "manifest")
        else:
            metadata = kind in JXL_METADATA
            yield Part(kind.decode("latin-1"), at, end, "metadata" if metadata else "content")


def _riff(data: bytes) -> Iterator[Part]:
    """Chunks, whose names C2PA does not use; one of odd length is followed by a zero.

    Of a film, the frames as well: its index may call any bytes of the file so.
    """
    if data[8:12] == b"AVI ":
        for start, end in frames(data):
            if start < len(data):
                yield Part("", start, min(end, len(data)), "content")
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        end = min(at + 8 + length + length % 2, len(data))
        information = kind == b"LIST" and data[at + 8 : at + 12] == b"INFO"
        if kind == b"C2PA":
            yield Part("", at, end, "manifest")
        elif information or kind in RIFF_METADATA:
            yield Part("", at, end, "metadata")
        at = end


def _tiff(data: bytes) -> Iterator[Part]:
    """What the entries of the directories lead to, their pixels, and the manifest's own length."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in {b"+\0", b"\0+"}
    word, count_form, step = ("Q", "Q", 20) if big else ("I", "H", 12)
    waiting = list(struct.unpack_from(order + word, data, 8 if big else 4))
    seen: set[int] = set()
    while waiting:
        at = waiting.pop()
        if not at or at in seen:
            continue
        seen.add(at)
        (entries,) = struct.unpack_from(order + count_form, data, at)
        at += struct.calcsize(count_form)
        lists: dict[int, list[int]] = {}
        for place in range(at, at + step * min(entries, MAX_PARTS), step):
            yield from _tiff_entry(data, place, order, word)
            (tag,) = struct.unpack_from(f"{order}H", data, place)
            if tag in {TIFF_INNER, *TIFF_PIXELS, *TIFF_PIXELS.values()}:
                lists[tag] = _tiff_numbers(data, place, order, word)
        yield from _tiff_pixels(lists, len(data))
        waiting += lists.get(TIFF_INNER, [])
        waiting += struct.unpack_from(order + word, data, at + step * entries)


def _tiff_entry(data: bytes, place: int, order: str, word: str) -> Iterator[Part]:
    tag, kind, count, value = struct.unpack_from(f"{order}HH{word}{word}", data, place)
    size = count * TIFF_SIZES.get(kind, 0)
    width = struct.calcsize(word)
    if tag == TIFF_MANIFEST:
        yield Part("", place + 4, place + 4 + width, "manifest")
    if size > width and tag in {TIFF_MANIFEST, *TIFF_METADATA}:
        yield Part("", value, value + size, "manifest" if tag == TIFF_MANIFEST else "metadata")


def _tiff_numbers(data: bytes, place: int, order: str, word: str) -> list[int]:
    """The whole numbers of an entry, wherever they stand."""
    _, kind, count, value = struct.unpack_from(f"{order}HH{word}{word}", data, place)
    form, width = TIFF_NUMBERS.get(kind), struct.calcsize(word)
    if form is None or count > MAX_PARTS:
        raise ValueError("no list of places")
    at = value if count * TIFF_SIZES[kind] > width else place + 4 + width
    return list(struct.unpack_from(f"{order}{count}{form}", data, at))


def _tiff_pixels(lists: Mapping[int, Sequence[int]], end: int) -> Iterator[Part]:
    """Where pixels stand; those of an unknown length may reach to the file's end."""
    for places, lengths in TIFF_PIXELS.items():
        starts, sizes = lists.get(places, ()), lists.get(lengths, ())
        for start, size in zip_longest(starts, sizes[: len(starts)], fillvalue=0):
            if start < end:
                yield Part("", start, min(start + size, end) if size else end, "content")


_WALKS: dict[tuple[bytes, ...], Callable[[bytes], Iterator[Part]]] = {
    (PNG_SIGNATURE,): _png,
    (b"\xff\xd8\xff",): _jpeg,
    (b"GIF87a", b"GIF89a"): _gif,
    (JXL_SIGNATURE,): _jxl,
    (b"RIFF",): _riff,
    (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"): _tiff,
}
