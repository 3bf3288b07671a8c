"""Kinds of files by their first bytes, whatever they are called, on every machine alike."""

import struct
import subprocess
import sys

import pytest

from safegen.provenance.media import formats
from safegen.provenance.media.kinds import HEAD_BYTES, kind_of

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"


def test_every_type_that_c2pa_covers_is_told_by_its_bytes(media, covered):
    for mime, content in (*covered.items(), *media.items()):
        if mime in covered or mime in formats.EMBEDDABLE_TYPES:
            assert kind_of(content[:HEAD_BYTES]) == mime
            assert formats.mime_of("no-name-at-all", content) == mime


@pytest.mark.parametrize(
    "drawn",
    [
        SVG,
        b"\xef\xbb\xbf" + SVG,
        b"\n  \t" + SVG,
        b'<?xml version="1.0" encoding="UTF-8"?>\r\n' + SVG,
        b"<?xml version='1.0'?><!-- <html> --><!-- x\n\n -->" + SVG,
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd">\n' + SVG,
        b'<!DOCTYPE svg [ <!ENTITY a "b>"> ]>' + SVG,
        b"<?xml version='1.0'?>" + b"<!--" + b" " * 60000 + b"-->" + SVG,
        b"<s:svg xmlns:s='http://www.w3.org/2000/svg'/>",
        b"<svg>",
        b"\xff\xfe" + SVG.decode().encode("utf-16-le"),
        b"\xfe\xff" + SVG.decode().encode("utf-16-be"),
    ],
)
def test_drawings(drawn):
    assert kind_of(drawn[:HEAD_BYTES]) == "image/svg+xml"


@pytest.mark.parametrize(
    "other",
    [
        b"<html><body><svg></svg></body></html>",
        b"<?xml version='1.0'?><feed><svg/></feed>",
        b"<!-- <svg> -->",
        b"<svgs/>",
        b"In front of <svg>",
        b"<",
    ],
)
def test_what_only_speaks_of_a_drawing(other):
    assert kind_of(other) is None


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"II+\0\x08\0\0\0", "image/tiff"),  # BigTIFF
        (b"MM\0+\0\x08\0\0", "image/tiff"),
        (b"\xff\x0a\x00", "image/jxl"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"\xff\xf3\x40\xc0", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"ID3\x04\0\0\0\0\0\x02..fLaC", "audio/flac"),
        (b"RF64\xff\xff\xff\xffWAVE", "audio/wav"),
        (b"junk of a mailer\r\n%PDF-1.4\n", "application/pdf"),
        (b"%PDF-2.0", "application/pdf"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
        (struct.pack(">I", 20) + b"ftypmif1\0\0\0\0miaf", "image/heif"),
        (struct.pack(">I", 16) + b"ftypcrx \0\0\0\0", "image/x-canon-cr3"),
        (b"\0\0\0\x30jumb\0\0\0\x1ejumdc2pa", "application/c2pa"),
    ],
)
def test_the_rarer_ones(head, kind):
    assert kind_of(head) == kind


@pytest.mark.parametrize(
    "head",
    [
        "a text with a mark".encode("utf-16"),  # FF FE, which is no frame of sound
        b"\xff\xff\xff\xff",
        b"ID3 is a format of tags, says the manual",
        b"BMW was founded in 1916, and its headquarters",
        b"I'm free of it, and wide moov",
        b"A PDF begins with %PDF-1.7, says the standard",
        b"jumble",
        bytes(64),
    ],
)
def test_texts_that_only_look_like_something(head):
    assert kind_of(head) is None


def test_names_that_do_not_fit_are_told(media, covered):
    jpeg = media["image/jpeg"]
    assert formats.disagreement("a.PNG", jpeg) == "Its name says PNG, and its bytes are JPEG."
    assert formats.disagreement("a.csv", jpeg) == "Its name says text/csv, and its bytes are JPEG."
    told = formats.disagreement("a.c2pa", covered["application/pdf"])
    assert told == "Its name says a C2PA manifest, and its bytes are PDF."
    for name in ("a.jpg", "a.JPEG", "a.jfif", "a", "a.unheard-of"):
        assert formats.disagreement(name, jpeg) is None
    for name in ("a.docx", "a.epub", "a.zip", "a.npz"):
        assert formats.disagreement(name, covered["application/zip"]) is None
    assert formats.disagreement("a.mov", media["video/mp4"]) is None
    assert formats.disagreement("a.png", b"words") is None  # bytes that tell nothing


def test_archives_are_told_apart_by_their_names(covered):
    content = covered["application/zip"]
    assert formats.mime_of("book.epub", content) == "application/epub+zip"
    assert formats.mime_of("book.jpg", content) == "application/zip"


def test_no_list_of_the_system_has_a_say(tmp_path):
    """`mime.types` of one machine calls a text a picture, and a picture nothing."""
    (tmp_path / "mime.types").write_text("image/x-secret   notes csv\ntext/plain   png pdf\n")
    code = (
        "import mimetypes, sys\n"
        "mimetypes.knownfiles = [sys.argv[1]]\n"
        "mimetypes.init()\n"
        "assert mimetypes.guess_type('a.csv')[0] == 'image/x-secret'\n"
        "from safegen.provenance.media.formats import named_type, promises\n"
        "print(named_type('a.csv'), promises('a.csv'), promises('a.notes'), promises('a.png'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "mime.types"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "text/csv False False True\n"
