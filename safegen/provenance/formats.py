"""Media types: told from a file's first bytes, and whether a manifest goes into the file itself."""

from __future__ import annotations

import mimetypes
from pathlib import PurePath

# Types into which a manifest is embedded and read back, by us and by a second implementation
# (tests/provenance/test_formats.py); every other type gets its manifest in a file beside it.
EMBEDDED = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/tiff": ".tiff",
    "image/avif": ".avif",
    "image/gif": ".gif",
    "audio/wav": ".wav",
    "video/mp4": ".mp4",
}
HEAD = 32  # bytes that tell a type

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS = {  # of ISO media files; one that only says how it is built is looked past
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}
_NAMED = {  # where the standard library knows none, or another name of the same type
    ".avif": "image/avif",
    ".npz": "application/octet-stream",
    ".safetensors": "application/octet-stream",
    ".wav": "audio/wav",
    ".webp": "image/webp",
}


def kind_of(head: bytes) -> str | None:
    r"""The media type that a file's first `HEAD` bytes tell; None when they tell none.

    >>> kind_of(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    'audio/wav'
    """
    for start, mime in _STARTS.items():
        if head.startswith(start):
            return mime
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), HEAD)
        brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
        return next((_BRANDS[each] for each in brands if each in _BRANDS), "video/mp4")
    return None


def mime_of(name: str | PurePath, data: bytes) -> str:
    """The media type of a file, by its first bytes or else by its name."""
    suffix = PurePath(name).suffix.lower()
    named = _NAMED.get(suffix) or mimetypes.guess_type(str(name))[0]
    return kind_of(data[:HEAD]) or named or "application/octet-stream"


def embeds(mime: str) -> bool:
    """Whether a manifest goes into a file of this type, or else beside it."""
    return mime in EMBEDDED
