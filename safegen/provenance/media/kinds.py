"""Kinds of files, told from their first bytes; a name can be given to anything.

One table, the same on every machine: what the system knows of file types (`mime.types`) differs
from one to the next, and a file that is looked at here must not be passed over there.
"""

from __future__ import annotations

import re

# Bytes that tell a kind; an SVG may begin with comments, a PDF with rubbish.
HEAD_BYTES = 2**16

STORE_MIME = "application/c2pa"
ZIP_MIME = "application/zip"
SVG_MIME = "image/svg+xml"

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
    b"II+\0\x08\0": "image/tiff",  # BigTIFF, with addresses of 8 bytes
    b"MM\0+\0\x08": "image/tiff",
    b"\0\0\0\x0cJXL \r\n\x87\n": "image/jxl",
    b"\xff\x0a": "image/jxl",  # without a container
    b"\0\0\0\x0cjP  \r\n\x87\n": "image/jp2",
    b"8BPS\0": "image/vnd.adobe.photoshop",
    b"fLaC": "audio/flac",
    b"OggS\0": "audio/ogg",
    b"\x1aE\xdf\xa3": "video/webm",  # Matroska, of which WebM is a part
    b"\0\0\x01\xba": "video/mpeg",
    b"PK\x03\x04": ZIP_MIME,
    b"PK\x05\x06": ZIP_MIME,  # with nothing in it
}
_CHUNKED = {  # the first four bytes, and those after the length
    (b"RIFF", b"WEBP"): "image/webp",
    (b"RIFF", b"WAVE"): "audio/wav",
    (b"RF64", b"WAVE"): "audio/wav",  # longer than 4 GiB
    (b"BW64", b"WAVE"): "audio/wav",
    (b"RIFF", b"AVI "): "video/x-msvideo",
    (b"FORM", b"AIFF"): "audio/aiff",
    (b"FORM", b"AIFC"): "audio/aiff",
}
_BRANDS = {  # of ISO media files; one that only says how it is built is looked past
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"crx ": "image/x-canon-cr3",
}
_HEIF = {b"mif1", b"msf1"}  # how it is built, and that it is a picture
_OLD_FILMS = {b"moov", b"mdat", b"wide"}  # QuickTime before it had brands
_PDF = re.compile(rb"(?:\A|[\r\n\0])(?:\xef\xbb\xbf)?%PDF-\d")
_PDF_WITHIN = 1024  # bytes; readers look no further (ISO 32000-1, note in annex H)
_SVG = re.compile(
    r"\ufeff?\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>\s*)*"
    r"<(?:[\w.-]+:)?svg[\s>/]",
    re.DOTALL,
)


def kind_of(head: bytes) -> str | None:
    r"""The media type that a file's first `HEAD` bytes tell; None when they tell none.

    >>> kind_of(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    'audio/wav'
    >>> kind_of(b"<?xml version='1.0'?><!-- drawn --><svg xmlns='http://www.w3.org/2000/svg'/>")
    'image/svg+xml'
    """
    for start, mime in _STARTS.items():
        if head.startswith(start):
            return mime
    if head[:4] in {b"RIFF", b"RF64", b"BW64", b"FORM"}:
        return _CHUNKED.get((head[:4], head[8:12]))
    return _boxed(head) or _sound(head) or _bitmap(head) or _document(head)


def _boxed(head: bytes) -> str | None:
    """ISO media files and manifest stores: a length, then what it is the length of."""
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
        told = next((_BRANDS[each] for each in brands if each in _BRANDS), None)
        return told or ("image/heif" if _HEIF & set(brands) else "video/mp4")
    if head[4:8] == b"jumb" and head[12:16] == b"jumd":
        return STORE_MIME
    old = head[:1] == b"\0" and head[4:8] in _OLD_FILMS
    return "video/quicktime" if old else None


def _sound(head: bytes) -> str | None:
    """MPEG audio: a tag (ID3v2) in front of it, or a frame at once (ISO 11172-3, 2.4.1.3)."""
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[3:5]) < 0x10 and max(head[6:10]) < 0x80:
        size = 0
        for byte in head[6:10]:  # of the tag, 7 bits each
            size = size << 7 | byte & 0x7F
        return "audio/flac" if head[10 + size : 14 + size] == b"fLaC" else "audio/mpeg"
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 2 & 3
    if layer == 0 and head[1] & 0xF0 == 0xF0:
        return "audio/aac"
    known = version != 1 and layer == 1 and head[2] >> 4 != 0xF and rate != 3
    return "audio/mpeg" if known else None


def _bitmap(head: bytes) -> str | None:
    """BMP, whose two letters alone begin many a text: then four zeros and a known header."""
    whole = head[:2] == b"BM" and head[6:10] == bytes(4) and head[15:18] == bytes(3)
    return "image/bmp" if whole and head[14] in {12, 40, 52, 56, 64, 108, 124} else None


def _document(head: bytes) -> str | None:
    if _PDF.search(head[: _PDF_WITHIN + 8]):
        return "application/pdf"
    if b"<" not in head[:HEAD_BYTES] or not _begins_as_text(head):
        return None
    wide = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(head[:2])
    return SVG_MIME if _SVG.match(head.decode(wide or "utf-8", "replace")) else None


def _begins_as_text(head: bytes) -> bool:
    """Whether it can be XML: it begins with a bracket, behind marks of its coding and spaces."""
    return head[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] == b"<"
