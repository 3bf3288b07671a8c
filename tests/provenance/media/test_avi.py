"""Where an AVI film's frames lie, by its old index and by OpenDML's."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.provenance.c2pa.binding import unbound
from safegen.provenance.media.avi import frames
from safegen.provenance.media.layout import parts_of

TEXT = b"a title in which a frame may hide, as an index could have it"


def chunk(kind, body):
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def film(*entries, absolute=False, indexes=b""):
    """One stream of two frames, metadata behind it, and an old index with further entries."""
    header = chunk(b"LIST", b"hdrl" + chunk(b"LIST", b"strl" + indexes))
    movi = b"movi" + chunk(b"00dc", bytes(range(64))) + chunk(b"00dc", bytes(range(32)))
    base = 12 + len(header) + 8
    shift = base if absolute else 0
    own = [(b"00dc", 4 + shift, 64), (b"00dc", 76 + shift, 32)]
    index = b"".join(
        struct.pack("<4s3I", name, 16, at, size) for name, at, size in (*own, *entries)
    )
    told = chunk(b"LIST", b"INFO" + chunk(b"INAM", TEXT))
    whole = header + chunk(b"LIST", movi) + told + chunk(b"idx1", index)
    return chunk(b"RIFF", b"AVI " + whole), base


def left_out(data, start, end):
    said = {"exclusions": [{"start": start, "length": end - start}]}
    return unbound(data, b"", {"c2pa.hash.data": said})


def info(data):
    (part,) = [part for part in parts_of(data) if part.kind == "metadata"]
    return part.start, part.end


@pytest.mark.parametrize("absolute", [False, True])
def test_frames_are_found_by_either_way_of_counting(absolute):
    data, base = film(absolute=absolute)
    assert frames(data) == [(base + 4, base + 4 + 72 + 40)]
    assert left_out(data, *info(data)) is None
    assert left_out(data, base + 4, base + 20) is not None


@pytest.mark.parametrize("absolute", [False, True])
def test_a_frame_may_not_lie_in_what_is_left_out(absolute):
    plain, base = film(absolute=absolute)
    shift = 0 if absolute else base
    place = plain.index(TEXT) - shift
    data, _ = film((b"00dc", place, 8), absolute=absolute)
    assert "left out of its hash" in left_out(data, *info(data))


def standard(base, *entries):
    body = struct.pack("<HBBI4sQI", 2, 0, 1, len(entries), b"00dc", base, 0)
    return body + b"".join(struct.pack("<II", at, size) for at, size in entries)


def test_opendml_s_indexes_count_as_well():
    first, _ = film(indexes=chunk(b"indx", standard(0, (0, 8))))
    data, _ = film(indexes=chunk(b"indx", standard(first.index(TEXT), (4, 8 | 0x80000000))))
    assert left_out(data, *info(data)) is not None
    hidden = chunk(b"ix00", standard(0, (20, 8)))  # an index that lies in metadata itself
    pointing = struct.pack("<HBBI4s12xQII", 4, 0, 0, 1, b"00dc", first.index(TEXT), len(hidden), 0)
    data, _ = film(indexes=chunk(b"indx", pointing))
    data = data.replace(TEXT[: len(hidden)], hidden)
    assert left_out(data, *info(data)) is not None


@given(st.data())
def test_a_broken_film_breaks_nothing(data):
    whole = bytearray(film(indexes=chunk(b"indx", standard(0, (0, 8))))[0])
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(12, len(whole) - 1))] = data.draw(st.integers(0, 255))
    parts = parts_of(bytes(whole[: data.draw(st.integers(12, len(whole)))]))
    assert parts is None or all(part.end <= len(whole) for part in parts)


def test_lists_too_deep_are_no_layout():
    body = b""
    for _ in range(2000):
        body = chunk(b"LIST", b"rec " + body)
    assert parts_of(chunk(b"RIFF", b"AVI " + body)) is None
