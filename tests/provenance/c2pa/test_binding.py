"""Manifests that leave out of their hash what they may not: trusted by C2PA's reader, not by us."""

import base64
import hashlib
import io
import json
import struct

import c2pa
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import safegen
from safegen.errors import DataError
from safegen.provenance.c2pa import manifest, sdk
from safegen.provenance.c2pa.binding import STORE_BOX, unbindable, unbound
from safegen.provenance.c2pa.claims import SOURCE_TYPES, created_claim
from safegen.provenance.c2pa.manifest import read
from safegen.provenance.keys import algorithms
from safegen.provenance.media.layout import JXL_SIGNATURE, parts_of

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/jxl")  # formats whose parts have names
SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/jxl": ".jxl",
    "image/tiff": ".tiff",
}
PIXELS = {"IDAT", "SOS", "TBID", "jxlc"}
ACTIONS = {
    "label": "c2pa.actions.v2",
    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES["model"]}]},
    "created": True,
}


@pytest.fixture(scope="module")
def plain(media):
    """Pictures with comments; the SDK makes the newer kind of a GIF when it signs one."""
    drawn = Image.open(io.BytesIO(media["image/png"]))
    found = dict(media)
    for mime, kind in (("image/jpeg", "JPEG"), ("image/gif", "GIF")):
        stream = io.BytesIO()
        drawn.save(stream, kind, comment=b"a comment")
        found[mime] = stream.getvalue()
    found["image/jxl"] = JXL_SIGNATURE + b"".join(
        struct.pack(">I4s", 8 + len(body), kind) + body
        for kind, body in (
            (b"ftyp", b"jxl \0\0\0\0jxl "),
            (b"xml ", b"<comment/>"),
            (b"jxlc", b"\xff\x0a" + bytes(50)),
        )
    )
    found["image/gif"] = b"GIF89a" + found["image/gif"][6:]
    text = b"tEXtComment\0a comment"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", 0)
    found["image/png"] = media["image/png"][:33] + chunk + media["image/png"][33:]
    return found


@pytest.fixture(scope="module")
def sealed(certified, issuing):
    """Sign under a sound chain, with hash assertions as they are given."""
    leaf = certified["es256"]

    def sign(data):
        numbers = decode_dss_signature(algorithms.sign("es256", leaf.key, data))
        return b"".join(each.to_bytes(32, "big") for each in numbers)

    def sealed(mime, data, *hashes):
        chain = (leaf.pem + issuing.pem).decode()
        signer = c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, chain, None)
        claim = {
            "claim_generator_info": [{"name": "tests", "version": "1"}],
            "assertions": [ACTIONS, *hashes],
        }
        settings = {
            "trust": {"trust_config": sdk.KEY_USAGES},
            "verify": {"verify_after_sign": False},
            "builder": {"thumbnail": {"enabled": False}},
        }
        target = io.BytesIO()
        with c2pa.Builder(claim, c2pa.Context.from_dict(settings)) as builder:
            builder.sign(signer, mime, io.BytesIO(data), target)
        return target.getvalue()

    return sealed


@pytest.fixture(scope="module")
def without(sealed):
    """A file whose data hash leaves out its manifest and every part that `chosen` picks."""

    def without(mime, data, chosen):
        exclusions, digest = [{"start": 1, "length": 1}], bytes(32)
        for _ in range(5):  # until the lengths that it speaks of are those that it has
            said = {
                "name": "tests",
                "alg": "sha256",
                "exclusions": exclusions,
                "hash": list(digest),
                "pad": [0] * 8,
            }
            made = sealed(mime, data, {"label": "c2pa.hash.data", "data": said})
            left_out = sorted(
                (part.start, part.end)
                for part in parts_of(made)
                if part.kind == "manifest" or chosen(part)
            )
            rest = bytearray(made)
            for start, end in reversed(left_out):
                del rest[start:end]
            before = exclusions, digest
            exclusions = [{"start": a, "length": b - a} for a, b in left_out]
            digest = hashlib.sha256(rest).digest()
            if (exclusions, digest) == before:
                return made
        raise AssertionError("its lengths do not settle")

    return without


def none(_):
    return False


def boxes(made, *, keep=bool, excluded=none):
    """A list of a file's named parts, as C2PA has it."""
    kept = [part for part in parts_of(made) if part.name and keep(part)]
    entries = []
    for part in kept:
        digest = hashlib.sha256(made[part.start : part.end]).digest()
        entry = {"names": [part.name], "hash": list(digest), "pad": []}
        if part.name == "C2PA":
            entry["hash"] = [0]
        if excluded(part):
            entry["excluded"] = True
        entries.append(entry)
    return {"label": "c2pa.hash.boxes", "data": {"boxes": entries}}


@pytest.fixture
def look(root, tmp_path):
    """Our verdict, after C2PA's own reader said Trusted."""

    def look(mime, data):
        context = c2pa.Context.from_dict(
            {"trust": {"trust_config": sdk.KEY_USAGES, "user_anchors": root.pem.decode()}}
        )
        with c2pa.Reader(mime, io.BytesIO(data), context=context) as reader:
            found = json.loads(reader.json())
        assert found["validation_state"] == "Trusted", found["validation_results"]
        path = tmp_path / f"file{SUFFIXES[mime]}"
        path.write_bytes(data)
        (tmp_path / "root.pem").write_bytes(root.pem)
        return safegen.verify(path, trust=tmp_path / "root.pem")

    return look


def is_refused(verdict):
    finding = next(each for each in verdict.findings if each.step == "integrity")
    assert (verdict.state, finding.codes[0]) == ("invalid", "safegen.integrity.unbound")
    assert "may have been replaced" in verdict.text
    return True


# Ranges of bytes


@pytest.mark.parametrize("mime", [*PICTURES, "image/tiff"])
def test_a_manifest_may_leave_out_itself(plain, without, look, mime):
    made = without(mime, plain[mime], none)
    assert look(mime, made).state == "trusted"


@pytest.mark.parametrize("mime", PICTURES)
def test_a_manifest_may_leave_out_metadata(plain, without, look, mime):
    made = without(mime, plain[mime], lambda part: part.kind == "metadata")
    assert len([part for part in parts_of(made) if part.kind == "metadata"]) == 1
    assert look(mime, made).state == "trusted"


@pytest.mark.parametrize("mime", PICTURES)
@pytest.mark.parametrize("picked", ["pixels", "the rest", "one"])
def test_a_manifest_may_not_leave_out_content(plain, without, look, mime, picked):
    content = [part.name for part in parts_of(plain[mime]) if part.kind == "content"]
    chosen = {
        "pixels": lambda part: part.name in PIXELS,
        "the rest": lambda part: part.name not in PIXELS and part.name != content[0],
        "one": lambda part: part.name == content[1],
    }[picked]
    assert is_refused(look(mime, without(mime, plain[mime], chosen)))


def test_a_replaced_picture_is_what_this_is_about(plain, without, look):
    """The attack: another picture under somebody's trusted manifest."""
    made = without("image/png", plain["image/png"], lambda part: part.name in PIXELS)
    other = bytearray(made)
    pixels = next(part for part in parts_of(made) if part.name == "IDAT")
    other[pixels.start + 8 : pixels.end - 4] = bytes(pixels.end - pixels.start - 12)
    assert is_refused(look("image/png", bytes(other)))


@pytest.mark.parametrize(
    "mime",
    [*PICTURES, "image/webp", "image/tiff", "image/avif", "audio/wav", "video/mp4"],
)
def test_whatever_the_sdk_signs_is_bound(plain, sealed, mime):
    assert "safegen.integrity.unbound" not in read(sealed(mime, plain[mime]), mime).failures


def with_metadata_over_pixels(data, tag):
    """A TIFF with one more entry, which calls the bytes of its only strip something else."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + 12 * place :][:12] for place in range(count)]
    number = {int.from_bytes(each[:2], "little"): each for each in entries}
    (start,), (size,) = (
        struct.unpack("<H" if each[2] == 3 else "<I", each[8 : 10 if each[2] == 3 else 12])
        for each in (number[273], number[279])
    )
    entries.append(struct.pack("<HHII", tag, 1, size, start))
    directory = struct.pack("<H", count + 1) + b"".join(sorted(entries)) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory, (start, start + size)


@pytest.mark.parametrize("tag", [700, 33723, 34377])
def test_what_a_tiff_calls_metadata_may_not_be_its_pixels(plain, tag):
    data, (start, end) = with_metadata_over_pixels(plain["image/tiff"], tag)
    assert Image.open(io.BytesIO(data)).tobytes() == data[start:end]  # the pixels, uncompressed
    assert any(part.kind == "metadata" for part in parts_of(data))
    for first, last in ((start, end), (start, start + 1), (end - 1, end)):
        left_out = {"exclusions": [{"start": first, "length": last - first}]}
        assert unbound(data, b"", {"c2pa.hash.data": left_out}) is not None


def test_pixels_in_an_inner_directory_are_pixels(plain):
    """The same, where the directory with the picture is below the one with the metadata."""
    data = plain["image/tiff"]
    _, (start, end) = with_metadata_over_pixels(data, 700)
    entries = struct.pack("<HHI", 330, 4, 1) + data[4:8]
    entries += struct.pack("<HHII", 700, 1, end - start, start)
    outer = struct.pack("<H", 2) + entries + bytes(4)
    data = data[:4] + struct.pack("<I", len(data)) + data[8:] + outer
    assert any(part.kind == "metadata" for part in parts_of(data))
    left_out = {"exclusions": [{"start": start, "length": end - start}]}
    assert unbound(data, b"", {"c2pa.hash.data": left_out}) is not None


@pytest.mark.parametrize("tag", [700, 33723, 34377])
def test_a_tiff_may_leave_out_what_is_metadata(plain, tag):
    data, _ = with_metadata_over_pixels(plain["image/tiff"], tag)
    (at,) = struct.unpack_from("<I", data, 4)
    place = data.index(struct.pack("<HH", tag, 1), at)
    data = data[: place + 4] + struct.pack("<II", 50, len(data)) + data[place + 12 :] + bytes(50)
    left_out = {"exclusions": [{"start": len(data) - 50, "length": 50}]}
    assert unbound(data, b"", {"c2pa.hash.data": left_out}) is None


# Lists of boxes


@pytest.mark.parametrize("mime", PICTURES)
def test_a_whole_list_binds_all(plain, sealed, look, mime):
    draft = sealed(mime, plain[mime])
    assert look(mime, sealed(mime, plain[mime], boxes(draft))).state == "trusted"


@pytest.mark.parametrize("mime", PICTURES)
def test_metadata_may_be_excluded(plain, sealed, look, mime):
    draft = sealed(mime, plain[mime])
    said = boxes(draft, excluded=lambda part: part.kind == "metadata")
    assert look(mime, sealed(mime, plain[mime], said)).state == "trusted"


@pytest.mark.parametrize("mime", PICTURES)
def test_a_list_that_ends_early_binds_nothing_behind_it(plain, sealed, look, mime):
    draft = sealed(mime, plain[mime])
    named = [part for part in parts_of(draft) if part.name]
    for length in (1, len(named) // 2, len(named) - 1):
        said = boxes(draft, keep=lambda part, last=named[length - 1]: part.start <= last.start)
        assert is_refused(look(mime, sealed(mime, plain[mime], said)))


@pytest.mark.parametrize("mime", PICTURES)
def test_content_may_not_be_excluded(plain, sealed, look, mime):
    draft = sealed(mime, plain[mime])
    said = boxes(draft, excluded=lambda part: part.name in PIXELS)
    assert is_refused(look(mime, sealed(mime, plain[mime], said)))


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg"])
def test_what_follows_a_picture_is_in_no_list(plain, sealed, mime):
    data = plain[mime] + b"more bytes than there are parts for"
    draft = sealed(mime, plain[mime])
    hashes = {"c2pa.hash.boxes": boxes(draft)["data"]}
    assert unbound(draft, b"", hashes) is None
    assert "not known here" in unbound(draft + b"more bytes than", b"", hashes)
    signed = sealed(mime, data)  # by ranges of bytes, all is bound
    assert "safegen.integrity.unbound" not in read(signed, mime).failures


def test_a_jpeg_xl_may_hold_other_boxes_of_the_manifests_kind(plain, sealed):
    """The SDK takes every one of them for the manifest, and hashes none (c2pa-rs#2695)."""
    other = struct.pack(">I4sI4s", 40, b"jumb", 32, b"jumd") + b"else" + bytes(20)
    data = plain["image/jxl"][:32] + other + plain["image/jxl"][32:]
    draft = sealed("image/jxl", data)
    assert unbound(draft, b"", {"c2pa.hash.boxes": boxes(draft)["data"]}) is None
    as_the_sdk_has_it = json.loads(json.dumps(boxes(draft)["data"]).replace('"jumb"', '"C2PA"'))
    assert unbound(draft, b"", {"c2pa.hash.boxes": as_the_sdk_has_it}) is not None


# Boxes of films

FILM = b"".join(
    struct.pack(">I4s", 8 + len(body), kind) + body
    for kind, body in ((b"ftyp", b"isom"), (b"moov", bytes(8)), (b"mdat", bytes(1000)))
)
OWN = {"xpath": "/uuid", "data": [{"offset": 8, "value": base64.b64encode(STORE_BOX).decode()}]}
REST = [{"offset": 16, "length": 0}]


def film(*exclusions, **more):
    said = {"exclusions": [OWN, {"xpath": "/ftyp"}, *exclusions], **more}
    return unbound(FILM, b"", {"c2pa.hash.bmff.v3": said})


def test_a_film_leaves_out_what_c2pa_says():
    assert film({"xpath": "/free"}, {"xpath": "/skip"}, {"xpath": "/mfra"}) is None


@pytest.mark.parametrize(
    "exclusion",
    [
        {"xpath": "/mdat"},
        {"xpath": "/moov"},
        {"xpath": "/meta"},
        {"xpath": "/moov/trak"},
        {"xpath": "/uuid"},
        {"xpath": "/uuid", "data": [{"offset": 8, "value": "AAAA"}]},
        {"xpath": "/uuid", "data": [{"offset": 0, "value": OWN["data"][0]["value"]}]},
        {"xpath": "/mdat", "subset": REST},
        {},
        {"xpath": ["/mdat"]},
    ],
)
def test_a_film_leaves_out_nothing_else(exclusion):
    assert film(exclusion) is not None


@pytest.mark.parametrize(
    ("tree", "holds"),
    [
        ({"variableBlockSizes": [500, 492]}, True),
        ({"variableBlockSizes": [500, 400]}, False),
        ({"fixedBlockSize": 256, "count": 4}, True),
        ({"fixedBlockSize": 256, "count": 3}, False),
        ({}, False),
    ],
)
def test_media_data_may_be_under_trees_that_cover_it(tree, holds):
    left_out = {"xpath": "/mdat", "subset": REST}
    assert (film(left_out, merkle=[tree]) is None) == holds
    assert film(left_out, merkle=[]) is not None


def full(kind, body):
    return struct.pack(">I4sI", 12 + len(body), kind, 0) + body


def nested(body, *kinds):
    for kind in kinds:
        body = struct.pack(">I4s", 8 + len(body), kind) + body
    return body


def film_with(*, at, large=False, fragment=False):
    """A film whose only chunk or run begins at a byte; its data stands in `mdat` and in `free`."""
    kind, form = (b"co64", "Q") if large else (b"stco", "I")
    table = nested(full(kind, struct.pack(f">I{form}", 1, at)), b"stbl", b"minf", b"mdia", b"trak")
    if fragment:
        base = struct.pack(">I4sIIQ", 24, b"tfhd", 1, 1, at)
        run = struct.pack(">I4sIIi", 20, b"trun", 1, 1, 0)
        table = nested(base + run, b"traf")
    head = nested(b"isom", b"ftyp") + nested(table, b"moof" if fragment else b"moov")
    return head + nested(bytes(100), b"mdat") + nested(bytes(100), b"free")


@pytest.mark.parametrize("kind", [{}, {"large": True}, {"fragment": True}])
def test_a_films_content_may_not_lie_in_what_is_left_out(kind):
    made = film_with(at=0, **kind)
    free, ends = len(made) - 108, len(made)
    said = {"exclusions": [OWN, {"xpath": "/ftyp"}, {"xpath": "/free"}]}
    for at, holds in ((free - 100, True), (free - 1, True), (free + 8, False), (ends - 1, False)):
        data = film_with(at=at, **kind)
        assert (unbound(data, b"", {"c2pa.hash.bmff.v3": said}) is None) == holds
        kept = {"exclusions": [OWN, {"xpath": "/ftyp"}]}  # then the box is hashed
        assert unbound(data, b"", {"c2pa.hash.bmff.v3": kept}) is None


LEFT_OUT = {"c2pa.hash.bmff.v3": {"exclusions": [OWN, {"xpath": "/ftyp"}, {"xpath": "/free"}]}}


def track(*tables, kinds=(b"stbl", b"minf", b"mdia", b"trak")):
    return nested(b"".join(tables), *kinds)


def with_free(head, kind=b"moov"):
    """A film of 100 bytes of media data, and a free box of 100 behind it."""
    whole = nested(b"isom", b"ftyp") + nested(head, kind)
    return whole + nested(bytes(100), b"mdat") + nested(bytes(100), b"free")


def stsc(*entries):
    pack = b"".join(struct.pack(">3I", *each, 1) for each in entries)
    return full(b"stsc", struct.pack(">I", len(entries)) + pack)


def stsz(*sizes, fixed=0):
    listed = b"" if fixed else struct.pack(f">{len(sizes)}I", *sizes)
    return full(b"stsz", struct.pack(">II", fixed, len(sizes)) + listed)


@pytest.mark.parametrize(
    ("tables", "longest"),
    [
        ((stsc((1, 2)), stsz(40, 59)), 99),
        ((stsc((1, 2)), stsz(40, 60)), 100),
        ((stsc((1, 2)), stsz(40, 61)), 101),
        ((stsc((1, 4)), stsz(0, 0, 0, 0, fixed=25)), 100),
        ((stsc((1, 5)), stsz(0, 0, 0, 0, 0, fixed=25)), 125),
        ((full(b"stz2", struct.pack(">3xBI", 8, 1) + b"\x65"),), 101),
        ((full(b"stz2", struct.pack(">3xBI", 4, 14) + b"\x77" * 7), stsc((1, 14))), 98),
        ((full(b"stz2", struct.pack(">3xBI", 16, 1) + b"\0\x65"),), 101),
    ],
)
def test_a_chunk_may_not_reach_into_what_is_left_out(tables, longest):
    start = 0
    for _ in range(2):  # its head has one length, wherever its data begin
        stco = full(b"stco", struct.pack(">II", 1, start))
        data = with_free(track(stco, *tables))
        start = data.index(b"mdat") + 4
    assert (unbound(data, b"", LEFT_OUT) is None) == (longest <= 100)


def test_later_chunks_have_the_samples_behind_the_earlier_ones():
    start, tables = 0, (stsc((1, 1), (3, 2)), stsz(10, 10, 10, 71))
    for sizes, bound in (((10, 10, 10, 70), True), ((10, 10, 10, 71), False)):
        for _ in range(2):
            stco = full(b"stco", struct.pack(">4I", 3, start, start + 10, start + 20))
            tables = (stsc((1, 1), (3, 2)), stsz(*sizes))
            data = with_free(track(stco, *tables))
            start = data.index(b"mdat") + 4
        assert (unbound(data, b"", LEFT_OUT) is None) == bound


@pytest.mark.parametrize(
    ("header", "run", "bound"),
    [
        ((0x10, 50), (0x0, 2, b""), True),
        ((0x10, 51), (0x0, 2, b""), False),
        ((0x0, None), (0x200, 2, struct.pack(">II", 40, 60)), True),
        ((0x0, None), (0x200, 2, struct.pack(">II", 40, 61)), False),
        ((0x0, None), (0x300, 1, struct.pack(">II", 900, 100)), True),
        ((0x0, None), (0x300, 1, struct.pack(">II", 1, 101)), False),
        ((0x0, None), (0x0, 2, b""), False),  # by the track's own size, which is 60
    ],
)
def test_a_run_may_not_reach_into_what_is_left_out(header, run, bound):
    (flag, size), (flags, count, fields) = header, run
    trex = full(b"trex", struct.pack(">5I", 7, 1, 0, 60, 0))
    moov = nested(nested(trex, b"mvex"), b"moov")
    offset = 0
    for _ in range(2):
        stated = b"" if size is None else struct.pack(">I", size)
        tfhd = nested(struct.pack(">II", 0x20000 | flag, 7) + stated, b"tfhd")
        trun = nested(struct.pack(">IIi", 1 | flags, count, offset) + fields, b"trun")
        moof = nested(tfhd + trun, b"traf", b"moof")
        offset = len(moof) + 8
    data = nested(b"isom", b"ftyp") + moov + moof
    data += nested(bytes(100), b"mdat") + nested(bytes(100), b"free")
    assert (unbound(data, b"", LEFT_OUT) is None) == bound


@pytest.mark.parametrize(
    ("entry", "inside"),
    [
        (full(b"url ", b"")[:8] + b"\0\0\0\1", True),
        (full(b"url ", b"other.mov\0"), False),
        (full(b"urn ", b"urn:x\0"), False),
        (full(b"imdt", b"\0\0\0\1"), True),
        (b"\0\0\0\x08url ", False),
    ],
)
def test_what_lies_in_another_file_is_bound_by_nothing(entry, inside):
    dref = full(b"dref", struct.pack(">I", 1) + entry)
    data = with_free(track(dref, kinds=(b"dinf", b"minf", b"mdia", b"trak")))
    for said in (LEFT_OUT, {"c2pa.hash.data": {"exclusions": []}}):
        assert (unbound(data, b"", said) is None) == inside
    assert (unbindable(data, beside=True) is None) == inside


def test_boxes_too_deep_bind_nothing():
    data = with_free(nested(b"", *[b"trak"] * 3000))
    assert "cannot be read" in unbound(data, b"", LEFT_OUT)


def test_what_nobody_could_bind_is_not_signed(plain, signer, monkeypatch):
    """Before a key is asked: a picture in a free box, a film in another file."""
    monkeypatch.setattr(
        manifest.signing, "sign_store", lambda *_, **__: pytest.fail("it was signed")
    )
    loose = plain["image/avif"].replace(b"mdat", b"free")
    with pytest.raises(DataError, match="cannot be signed: some of its content lies in a box free"):
        manifest.sign(loose, claim_of("image/avif"), signer)
    dref = full(b"dref", struct.pack(">I", 1) + full(b"url ", b"other.mov\0"))
    away = with_free(track(dref, kinds=(b"dinf", b"minf", b"mdia", b"trak")))
    for way in (manifest.sign, manifest.sign_beside):
        with pytest.raises(DataError, match="content lies in another file"):
            way(away, claim_of("video/mp4"), signer)


def claim_of(mime):
    return created_claim(title="a file", mime=mime, source_type=SOURCE_TYPES["algorithmic"])


def test_a_picture_in_a_free_box_may_be_replaced_and_is_refused(plain, sealed):
    data = plain["image/avif"].replace(b"mdat", b"free")
    assert Image.open(io.BytesIO(data)).tobytes()  # readers do not care what the box is called
    made = sealed("image/avif", data)
    assert "safegen.integrity.unbound" in read(made, "image/avif").failures
    assert (
        "safegen.integrity.unbound"
        not in read(sealed("image/avif", plain["image/avif"]), "image/avif").failures
    )


def test_tables_that_are_cut_off_bind_nothing():
    made = film_with(at=0)
    place = made.index(b"stco") + 8
    broken = made[:place] + b"\0\0\0\x09" + made[place + 4 :]
    assert "cannot be read" in unbound(broken, b"", {"c2pa.hash.bmff.v3": {"exclusions": []}})


# Whatever else there is


def test_in_other_formats_only_the_manifest_itself_is_left_out():
    store, head = b"a manifest store", b"a format that nobody knows, "
    for written in (store, base64.b64encode(store)):
        data = head + written + b" and its end"

        def said(start, end):
            left_out = [{"start": start, "length": end - start}]
            return {"c2pa.hash.data": {"exclusions": left_out}}

        first, last = len(head), len(head) + len(written)
        assert unbound(data, store, said(first, last)) is None
        assert unbound(data, store, said(first, last + 1)) is not None
        assert unbound(data, store, said(first - 1, last)) is not None
        assert unbound(data, store, {"c2pa.hash.boxes": {"boxes": []}}) is not None
    assert unbound(data, b"", said(0, 0)) is None  # it leaves out nothing


def test_what_has_no_hash_is_bound_by_none():
    assert unbound(b"data", b"store", {}) is not None


JSON = st.recursive(
    st.none() | st.integers(-9, 99) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["exclusions", "start", "length", "boxes", "names", "xpath", "subset"]),
            inner,
        )
    ),
)


@given(said=JSON, label=st.sampled_from(["c2pa.hash.data", "c2pa.hash.boxes", "c2pa.hash.bmff.v2"]))
def test_nonsense_in_a_hash_breaks_nothing(said, label):
    found = unbound(FILM, b"", {label: said})
    assert found is None or isinstance(found, str)


@given(data=st.data())
def test_the_parts_of_a_broken_file_are_none_or_lie_within_it(plain, data):
    mime = data.draw(st.sampled_from([*PICTURES, "image/webp", "image/tiff"]))
    whole = bytearray(plain[mime])
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    parts = parts_of(cut) or ()
    assert all(0 <= part.start <= part.end <= len(cut) for part in parts)
