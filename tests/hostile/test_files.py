"""Hand-made hostile files: bombs, endless claims, cycles; one gigabyte survives them all."""

import json
import os
import struct
import subprocess
import sys
import zlib

import pytest

from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.c2pa.sdk import Definition, sign_store
from safegen.provenance.keys.opener import open_signer

GIGABYTE = 2**30
LOOK = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))
import safegen
for path in sys.argv[2:]:
    started = time.monotonic()
    verdict = safegen.verify(path, trust=sys.argv[1])
    status = open("/proc/self/status").read()  # getrusage would count the process that forked us
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps([verdict.state, time.monotonic() - started, peak,
                      verdict.model_dump(mode="json")]), flush=True)
"""


def look(paths, root, folder):
    """Verify files in a process of its own; states and verdicts by name. It must survive all."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(root), *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"SAFEGEN_CACHE": str(folder / "cache")},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    lost = [path.name for path in paths[len(lines) :]]
    assert done.returncode == 0, f"{lost[:1]}: {done.returncode}, {done.stderr[-2000:]}"
    for path, (state, seconds, peak, _) in zip(paths, lines, strict=True):
        print(f"{path.name:<28} {state:<12} {seconds:6.2f} s {peak / 2**20:6.0f} MB at most so far")
        assert peak < GIGABYTE, path.name
    return {path.name: line[3] for path, line in zip(paths, lines, strict=True)}


def written(folder, files):
    paths = []
    for name, data in files.items():
        paths.append(folder / name)
        paths[-1].write_bytes(data)
    return paths


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, *, depth=8, colour=0, rows=1, extra=b""):
    """A PNG that claims a size and holds `rows` rows of zeros."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    line = bytes(1 + (width * depth + 7) // 8)
    return (
        b"\x89PNG\r\n\x1a\n" + head + extra
        + chunk(b"IDAT", zlib.compress(line * rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


def tiff(width, height):
    """A TIFF that claims a size and holds one byte."""
    fields = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
        (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, 1),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in fields)
    body = struct.pack("<H", len(fields)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 12) + bytes(4) + body


def webp(width, height):
    """A WebP whose canvas is larger than its one pixel."""
    pixel = bytes.fromhex("2f00000000071011fd0f4444ff03")
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    parts = b"".join(
        kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        for kind, body in ((b"VP8X", canvas), (b"VP8L", pixel))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts


def with_fingerprint(data, mime, keys):
    """Signed by a stranger who describes a fingerprint, so that the picture will be looked at."""
    claim = claims.created_claim(
        title="a bomb", mime=mime, source_type=claims.SOURCE_TYPES["model"]
    )
    binding = {"alg": "io.iscc.v0", "blocks": [{"scope": {}, "value": "AAAAAAAAAAA="}]}
    said = {"label": "c2pa.soft-binding", "data": binding, "created": True}
    claim = claims.Claim(title=claim.title, mime=mime, assertions=(*claim.assertions, said))
    return manifest.sign(data, claim, open_signer(keys))[0]


def test_decompression_bombs(stranger, tmp_path):
    two_colours = chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", bytes(1))
    bombs = {
        "wide.png": (png(50_000, 50_000), "image/png"),
        "allowed_by_pillow.png": (
            png(13_000, 13_000, depth=1, colour=3, rows=13_000, extra=two_colours),
            "image/png",
        ),
        "text.png": (
            png(8, 8, rows=8, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27)))),
            "image/png",
        ),
        "wide.tiff": (tiff(50_000, 50_000), "image/tiff"),
        "wide.webp": (webp(50_000, 50_000), "image/webp"),
    }
    files = {name: with_fingerprint(data, mime, stranger) for name, (data, mime) in bombs.items()}
    verdicts = look(written(tmp_path, files), stranger / "root.pem", tmp_path)
    assert {name: said["state"] for name, said in verdicts.items()} == dict.fromkeys(
        verdicts, "invalid"
    )


def declared(kind, claims_to_hold, body=b""):
    return struct.pack(">I", claims_to_hold) + kind + body


def described(label, body):
    """A JUMBF superbox."""
    kind = b"c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
    said = kind + b"\x03" + label + b"\0"
    inner = struct.pack(">I", 8 + len(said)) + b"jumd" + said + body
    return struct.pack(">I", 8 + len(inner)) + b"jumb" + inner


def in_png(store, plain):
    """A PNG with any bytes for a manifest store."""
    return plain[:33] + chunk(b"caBX", store) + plain[33:]


def test_boxes_that_lie_about_their_length_or_nest_without_end(media, stranger, tmp_path):
    nested = b""
    for _ in range(20_000):
        nested = described(b"c2pa", nested)
    picture = media["image/png"]
    stores = {
        "nested.png": nested,
        "four_gigabytes.png": declared(b"jumb", 2**32 - 1, described(b"c2pa", b"")),
        "many_exabytes.png": declared(b"jumb", 1, b"\xff" * 8 + described(b"c2pa", b"")),
        "nothing.png": declared(b"jumb", 0),
        "backwards.png": declared(b"jumb", 7, bytes(64)),
        "empty.png": b"",
        "descriptions.png": described(b"c2pa", described(b"x", b"") * 20_000),
    }
    files = {name: in_png(store, picture) for name, store in stores.items()}
    files["film.mp4"] = declared(b"ftyp", 2**32 - 1, b"isom" + bytes(64))
    files["long.mp4"] = declared(b"ftyp", 1, b"\x7f" + b"\xff" * 7 + b"isom" + bytes(64))
    files["sound.wav"] = b"RIFF\xff\xff\xff\xffWAVEC2PA\xff\xff\xff\xff" + bytes(64)
    files["picture.tiff"] = (
        b"II*\0\x08\0\0\0\xff\xff" + b"\x41\xcd\x07\0\xff\xff\xff\xff\x10\0\0\0" * 9
    )
    files["picture.gif"] = (
        b"GIF89a" + b"\xff" * 7 + b"\x21\xff\x0bC2PA_GIF\x01\x00\x00" + b"\xff" * 300
    )
    files["picture.jpg"] = b"\xff\xd8\xff\xeb\xff\xffJP\0\x01" + bytes(200)
    verdicts = look(written(tmp_path, files), stranger / "root.pem", tmp_path)
    assert {said["state"] for said in verdicts.values()} <= {"unreadable", "unsigned", "invalid"}


def patched(data, place, head):
    return data[:place] + head + data[place + len(head) :]


def test_statements_that_claim_to_be_endless(subjects, made, tmp_path):
    """Four kilobytes once made the C2PA SDK take twenty gigabytes."""
    files = {}
    for mime, subject in subjects.items():
        place = subject.data.index(b"cawg.data_mining") + len(b"cawg.data_mining")
        for kind in (0x5B, 0x7B, 0x9B, 0xBB, 0x5F, 0x9F, 0xC6):
            for size in (2**31, 2**36, 2**63 - 1):
                head = bytes([kind]) + struct.pack(">Q", size)
                name = f"{kind:x}_{size.bit_length()}_{mime.replace('/', '_')}{subject.suffix}"
                files[name] = patched(subject.data, place, head)
    verdicts = look(written(tmp_path, files), made.root, tmp_path)
    assert {said["state"] for said in verdicts.values()} <= {"unreadable", "invalid"}


def test_statements_that_nest_without_end(media, stranger, tmp_path):
    deep = "a" * 60_000
    claim = claims.created_claim(
        title="deep", mime="image/png", source_type=claims.SOURCE_TYPES["model"]
    )
    for kind, label in (("cbor", "org.example.deep"), ("json", "stds.schema-org.CreativeWork")):
        work = {"@context": "http://schema.org", "@type": "CreativeWork", "name": deep}
        said = {"label": label, "data": work, "kind": "Json" if kind == "json" else "Cbor"}
        whole = claims.Claim(title="deep", mime="image/png", assertions=(*claim.assertions, said))
        data, _ = manifest.sign(media["image/png"], whole, open_signer(stranger))
        place = data.index(deep.encode())
        (tmp_path / f"string_{kind}.png").write_bytes(
            patched(data, place - 3 if kind == "cbor" else place - 1, b"\x81" * 60_000)
            if kind == "cbor"
            else patched(data, place - 1, b"[" * 60_000)
        )
    paths = sorted(tmp_path.glob("string_*"))
    verdicts = look(paths, stranger / "root.pem", tmp_path)
    assert {said["state"] for said in verdicts.values()} <= {"unreadable", "invalid"}


def made_from(content, mime, many, keys, *, plain):
    """`plain` signed, with the same content as its ingredient many times."""
    base = claims.created_claim(title="x", mime=mime, source_type=claims.SOURCE_TYPES["model"])
    definition = {
        "title": "x",
        "format": mime,
        "claim_generator_info": [{"name": "a stranger", "version": "1"}],
        "assertions": list(base.assertions),
    }
    described = [
        {"title": f"{n}", "label": f"i{n}", "instance_id": f"i{n}", "relationship": "componentOf"}
        for n in range(many)
    ]
    return sign_store(
        Definition(
            manifest=definition,
            resources={},
            embedded=[(each, mime, content) for each in described],
        ),
        data=plain,
        mime=mime,
        signer=open_signer(keys),
        trust=None,
        stamps=None,
        beside=False,
    )


def test_ten_ingredients_in_each_of_nine_generations(media, stranger, tmp_path):
    """A billion lines of descent in half a megabyte; each manifest is told once."""
    picture = media["image/png"]
    current = picture
    for _ in range(9):
        current = made_from(current, "image/png", 10, stranger, plain=picture)
    (path,) = written(tmp_path, {"family.png": current})
    verdicts = look([path], stranger / "root.pem", tmp_path)
    assert verdicts["family.png"]["state"] == "trusted"  # sound, only tedious


def test_a_thousand_ingredients(media, stranger, tmp_path):
    current = made_from(media["image/png"], "image/png", 1000, stranger, plain=media["image/png"])
    (path,) = written(tmp_path, {"thousand.png": current})
    verdicts = look([path], stranger / "root.pem", tmp_path)
    assert verdicts["thousand.png"]["state"] == "trusted"


def test_a_manifest_that_is_its_own_ancestor(media, stranger, tmp_path):
    first = made_from(media["image/png"], "image/png", 1, stranger, plain=media["image/png"])
    second = made_from(first, "image/png", 1, stranger, plain=media["image/png"])
    before = manifest.read(first, "image/png").label.encode()
    after = manifest.read(second, "image/png").label.encode()
    assert len(before) == len(after)
    files = {
        "own_parent.png": second.replace(before, after),
        "own_child.png": second.replace(after, before),
        "exchanged.png": second.replace(before, b"#" * len(before))
        .replace(after, before)
        .replace(b"#" * len(before), after),
    }
    verdicts = look(written(tmp_path, files), stranger / "root.pem", tmp_path)
    assert {said["state"] for said in verdicts.values()} <= {"unreadable", "invalid"}


def test_a_manifest_store_of_a_hundred_megabytes(media, stranger, tmp_path):
    signed = made_from(media["image/png"], "image/png", 1, stranger, plain=media["image/png"])
    (length,) = struct.unpack_from(">I", signed, 33)
    store = signed[41 : 41 + length]
    padding = struct.pack(">I", 100_000_000) + b"free" + bytes(100_000_000 - 8)
    larger = struct.pack(">I", len(store) + len(padding)) + store[4:] + padding
    many = described(b"org.example.many", b"") * 100_000
    more = struct.pack(">I", len(store) + len(many)) + store[4:] + many
    picture = media["image/png"]
    files = {"padded.png": in_png(larger, picture), "boxes.png": in_png(more, picture)}
    verdicts = look(written(tmp_path, files), stranger / "root.pem", tmp_path)
    original = look(written(tmp_path, {"signed.png": signed}), stranger / "root.pem", tmp_path)
    for said in verdicts.values():
        if said["state"] == "trusted":  # room that C2PA leaves unprotected, and nothing else
            assert said | {"path": ""} == original["signed.png"] | {"path": ""}


@pytest.mark.slow
def test_three_thousand_statements(media, stranger, tmp_path):
    base = claims.created_claim(
        title="x", mime="image/png", source_type=claims.SOURCE_TYPES["model"]
    )
    many = tuple({"label": f"org.example.n{n}", "data": {"n": n}} for n in range(3000))
    claim = claims.Claim(title="x", mime="image/png", assertions=(*base.assertions, *many))
    data, _ = manifest.sign(media["image/png"], claim, open_signer(stranger))
    verdicts = look(written(tmp_path, {"many.png": data}), stranger / "root.pem", tmp_path)
    assert verdicts["many.png"]["state"] == "trusted"


def test_the_command_gives_itself_no_more_than_a_gigabyte(subjects, tmp_path):
    """Also where it looks at one file alone, in its own process."""
    subject = subjects["video/mp4"]
    place = subject.data.rindex(b"cawg.data_mining") + len(b"cawg.data_mining")
    path = tmp_path / "bomb.mp4"
    path.write_bytes(patched(subject.data, place, b"\x5b" + struct.pack(">Q", 3 * GIGABYTE)))
    code = """
import sys
from safegen.cli import main
try:
    main()
except SystemExit as done:
    print(done.code, open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", str(path)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    status, peak = done.stdout.splitlines()[-1].split()
    assert status == "1", done.stdout
    assert int(peak) * 1024 < GIGABYTE
