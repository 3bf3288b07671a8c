"""Whether a manifest binds all of its file; pure.

A manifest says itself what its hash leaves out: byte ranges (`c2pa.hash.data`), a list of the
parts that it hashes (`c2pa.hash.boxes`), or kinds of boxes (`c2pa.hash.bmff`). C2PA's reader only
compares the hash. So a signer, or a careless tool, can leave out the picture itself: whoever
replaces it then has a file that is trusted. Here a manifest may leave out itself and metadata
(C2PA 2.4, sections 9.2 and 18.5 to 18.7), and nothing else. What cannot be judged is not bound.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from typing import TYPE_CHECKING

from safegen.provenance.media.layout import Part, parts_of, top_boxes
from safegen.provenance.media.references import elsewhere, is_boxed, referenced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from safegen.provenance.c2pa.claims import Json

DATA, BOXES, BMFF = "c2pa.hash.data", "c2pa.hash.boxes", "c2pa.hash.bmff"
LOOSE_BOXES = {"/ftyp", "/mfra", "/free", "/skip"}  # C2PA leaves them out of every film's hash
ELSEWHERE = "some of its content lies in another file, which no hash of this one covers"
STORE_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # the uuid of C2PA's own box

Range = tuple[int, int]


def unbound(data: bytes, store: bytes, hashes: Mapping[str, Json]) -> str | None:
    """What of a file no hash covers, in words; None when all of it but manifest and metadata is.

    Args:
        data: the whole file.
        store: its manifest store.
        hashes: the hash assertions of the manifest that binds it, by label. Those of other kinds
            than the three above leave nothing out, or are the reader's matter.
    """
    if not hashes:
        return "its manifest has no hash of it"
    if _reaches_out(data):
        return ELSEWHERE
    for label, said in hashes.items():
        try:
            fault = _fault(label, said, data, store)
        except (KeyError, TypeError, ValueError, AttributeError):
            return f"what {label} leaves out cannot be read"
        if fault is not None:
            return fault
    return None


def unbindable(data: bytes, *, beside: bool) -> str | None:
    """Why no manifest would bind all of a file, in words; None when one can.

    Args:
        data: the whole file, before it is signed.
        beside: whether the manifest stays out of the file; then every byte of that is hashed.
    """
    if _reaches_out(data):
        return ELSEWHERE
    if beside or not is_boxed(data):
        return None
    try:
        return _content_left_out(LOOSE_BOXES, data)
    except ValueError:  # whoever signs it says what is wrong with it
        return None


def _reaches_out(data: bytes) -> bool:
    """Whether a film says that some of it lies in another file."""
    try:
        return is_boxed(data) and elsewhere(data)
    except ValueError:
        return False  # and its tables, if they count, are refused where they are read


def _fault(label: str, said: Json, data: bytes, store: bytes) -> str | None:
    if label.startswith(DATA):
        return _data_fault(said, data, store)
    if label.startswith(BOXES):
        return _boxes_fault(said, data)
    if label.startswith(BMFF):
        return _bmff_fault(said, data)
    return None


def _data_fault(said: Json, data: bytes, store: bytes) -> str | None:
    excluded = [_range(each) for each in _dicts(said.get("exclusions"))]
    parts = parts_of(data)
    allowed = _places_of(store, data) if parts is None else _loose(parts)
    for start, end in excluded:
        if end > start and not any(first <= start and end <= last for first, last in allowed):
            return (
                f"bytes {start:,} to {end:,} are left out of its hash, and they are more than the "
                "manifest and metadata"
            )
    return None


def _loose(parts: Sequence[Part]) -> list[Range]:
    """What may be left out: all that is no content, and that no content lies in."""
    content = _joined((part.start, part.end) for part in parts if part.kind == "content")
    starts = [start for start, _ in content]

    def holds_content(part: Part) -> bool:
        last = bisect_left(starts, part.end) - 1
        return last >= 0 and content[last][1] > part.start

    return _joined(
        (part.start, part.end)
        for part in parts
        if part.kind != "content" and not holds_content(part)
    )


def _joined(given: Iterable[Range]) -> list[Range]:
    """Ranges in order, with neighbours taken together."""
    ranges: list[Range] = []
    for start, end in sorted(given):
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    return ranges


def _places_of(store: bytes, data: bytes) -> list[Range]:
    """Where the manifest's own bytes stand in a file of another format, in Base64 or plain."""
    found = []
    for written in (store, base64.b64encode(store)):
        at = data.find(written) if written else -1
        if at >= 0:
            found.append((at, at + len(written)))
    return found


def _boxes_fault(said: Json, data: bytes) -> str | None:
    parts = parts_of(data)
    named = [(name, box) for box in _dicts(said["boxes"]) for name in _texts(box["names"])]
    if not parts or not all(part.name for part in parts if part.kind == "content"):
        return "it lists what it hashes, and the parts of such a file are not known here"
    there = [part for part in parts if part.name]
    if named and named[0][0] != "PNGh" and there[0].name == "PNGh":
        there = there[1:]  # eight bytes that are the same in every PNG
    if [name for name, _ in named] != [part.name for part in there]:
        return f"its hash lists {len(named)} parts, which are not the {len(there)} of the file"
    for part, (_, box) in zip(there, named, strict=True):
        if part.kind == "content" and (box.get("excluded") or box.get("exclusions")):
            return f"its part {part.name} is left out of its hash, at least partly"
    return None


def _bmff_fault(said: Json, data: bytes) -> str | None:
    """Whole boxes of the kinds that C2PA leaves out; a film's data only where a tree hashes it."""
    for each in _dicts(said.get("exclusions")):
        path = str(each["xpath"])
        if path in LOOSE_BOXES or (path == "/uuid" and _is_own_box(each)):
            continue
        if path == "/mdat" and each.get("subset") and _trees_cover(said.get("merkle"), data):
            continue
        return f"boxes {path} are left out of its hash"
    return _content_left_out({str(each["xpath"]) for each in _dicts(said.get("exclusions"))}, data)


def _content_left_out(paths: AbstractSet[str], data: bytes) -> str | None:
    """Which box that may be left out holds what the file's own tables call its content."""
    loose = [
        (start, end, kind.decode("latin-1"))
        for kind, start, end in top_boxes(data)
        if f"/{kind.decode('latin-1')}" in paths & {*LOOSE_BOXES, "/uuid"}
        and (kind != b"uuid" or STORE_BOX in data[start + 8 : start + 32])
    ]
    starts = [start for start, _, _ in loose]
    for first, last in referenced(data):
        at = bisect_left(starts, last) - 1
        if at >= 0 and loose[at][1] > first:
            return f"some of its content lies in a box {loose[at][2]}, left out of its hash"
    return None


def _trees_cover(trees: object, data: bytes) -> bool:
    """Whether there is a tree of hashes for each box of media data, and as long as that."""
    sizes = [end - start for kind, start, end in top_boxes(data) if kind == b"mdat"]
    maps = _dicts(trees)
    if not sizes or len(maps) < len(sizes):
        return False
    for tree, size in zip(maps, sizes, strict=False):
        blocks = tree.get("variableBlockSizes")
        if isinstance(blocks, list):
            covered = sum(each for each in blocks if isinstance(each, int))
        else:
            fixed, count = tree.get("fixedBlockSize"), tree.get("count")
            covered = fixed * count if isinstance(fixed, int) and isinstance(count, int) else 0
        if covered < size - 16:  # the box's head is hashed with the rest
            return False
    return True


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return [str(each) for each in value]


def _is_own_box(exclusion: Json) -> bool:
    return any(
        item.get("offset") == 8 and _bytes(item.get("value")) == STORE_BOX
        for item in _dicts(exclusion.get("data"))
    )


def _bytes(value: object) -> bytes:
    """Bytes as the SDK writes them in JSON: in Base64, or as numbers."""
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            return b""
    return bytes(value) if isinstance(value, list) else b""


def _range(exclusion: Json) -> Range:
    start, length = exclusion["start"], exclusion["length"]
    if not isinstance(start, int) or not isinstance(length, int) or start < 0 or length < 0:
        raise ValueError("no range of bytes")
    return start, start + length


def _dicts(value: object) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError("no list of maps")
    return value
