"""Media types of files, by their bytes and by their names, and where a manifest goes."""

from __future__ import annotations

import mimetypes
from pathlib import PurePath

from safegen.provenance.media.kinds import HEAD_BYTES, STORE_MIME, SVG_MIME, ZIP_MIME, kind_of

# Types into which a manifest is embedded and read back, by us and by a second implementation
# (tests/provenance/media/test_formats.py); every other type gets its manifest in a file beside it.
EMBEDDABLE_TYPES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/tiff": ".tiff",
    "image/avif": ".avif",
    "image/gif": ".gif",
    "audio/wav": ".wav",
    "video/mp4": ".mp4",
}
MEDIA_PREFIXES = ("image/", "video/", "audio/")
DOCUMENT_TYPES = {"application/pdf"}  # C2PA can sign them too

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_NAMED = {  # where Python knows none, or another name of the same type
    ".ai": "application/pdf",
    ".apng": "image/png",
    ".arw": "image/x-sony-arw",
    ".avi": "video/x-msvideo",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".c2pa": STORE_MIME,
    ".cr3": "image/x-canon-cr3",
    ".dng": "image/x-adobe-dng",
    ".docm": "application/vnd.ms-word.document.macroenabled.12",
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jfif": "image/jpeg",
    ".jp2": "image/jp2",
    ".jpe": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".jxl": "image/jxl",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".m4v": "video/x-m4v",
    ".mkv": "video/webm",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".nef": "image/x-nikon-nef",
    ".npz": "application/octet-stream",
    ".odg": f"{_OPEN}graphics",
    ".odp": f"{_OPEN}presentation",
    ".ods": f"{_OPEN}spreadsheet",
    ".odt": f"{_OPEN}text",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".otg": f"{_OPEN}graphics-template",
    ".otp": f"{_OPEN}presentation-template",
    ".ots": f"{_OPEN}spreadsheet-template",
    ".ott": f"{_OPEN}text-template",
    ".oxps": "application/oxps",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".pptm": "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    ".pptx": f"{_OFFICE}presentationml.presentation",
    ".psd": "image/vnd.adobe.photoshop",
    ".safetensors": "application/octet-stream",
    ".svg": SVG_MIME,
    ".svgz": "image/svg+xml-compressed",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".zip": ZIP_MIME,
}
_BUILT_IN = mimetypes.MimeTypes(filenames=())  # not what this machine's `mime.types` adds to it
_ARCHIVES = {
    ZIP_MIME,
    "application/epub+zip",
    "application/oxps",
    *(mime for mime in _NAMED.values() if mime.startswith("application/vnd.")),
}
_AKIN = (  # types of which each may stand in a file that is named as another
    _ARCHIVES,
    {"image/tiff", "image/x-adobe-dng", "image/x-nikon-nef", "image/x-sony-arw"},
    {"video/mp4", "video/x-m4v", "audio/mp4", "video/quicktime", "video/3gpp", "audio/3gpp"},
    {"image/heic", "image/heif"},
    {"audio/mpeg", "video/mpeg"},
    {"audio/aiff", "audio/x-aiff"},
)
_CALLED = {
    SVG_MIME: "SVG",
    STORE_MIME: "a C2PA manifest",
    ZIP_MIME: "a ZIP archive",
    "application/pdf": "PDF",
    "audio/mpeg": "MP3",
    "audio/mp4": "M4A",
    "image/vnd.adobe.photoshop": "PSD",
    "video/quicktime": "QuickTime",
    "video/webm": "Matroska or WebM",
    "video/x-msvideo": "AVI",
}


def mime_of(name: str | PurePath, data: bytes) -> str:
    """The media type of a file, by its first bytes or else by its name.

    Archives are one kind by their bytes: which one, the name says.
    """
    kind, named = kind_of(data[:HEAD_BYTES]), named_type(name)
    if kind == ZIP_MIME and named in _ARCHIVES:
        return named
    return kind or named or "application/octet-stream"


def named_type(name: str | PurePath) -> str | None:
    """The media type that a name promises; the same on every machine."""
    suffix = PurePath(name).suffix.lower()
    mime, coding = _BUILT_IN.guess_type(f"x{suffix}")
    return _NAMED.get(suffix) or (mime if coding is None else None)


def promises(name: str | PurePath) -> bool:
    """Whether a name says that the file is a picture, a sound, a film or a document to sign."""
    return is_media(named_type(name) or "")


def is_media(mime: str) -> bool:
    """Whether files of a type are looked at wherever they are met."""
    return mime.startswith(MEDIA_PREFIXES) or mime in DOCUMENT_TYPES


def disagreement(name: str | PurePath, data: bytes) -> str | None:
    r"""That a file's name says one thing and its bytes another, in a sentence; None if not.

    >>> disagreement("holiday.png", b"\xff\xd8\xff\xe0")
    'Its name says PNG, and its bytes are JPEG.'
    """
    kind, named = kind_of(data[:HEAD_BYTES]), named_type(name)
    if kind is None or named is None or named in {kind, "application/octet-stream"}:
        return None
    if any(kind in each and named in each for each in _AKIN):
        return None
    return f"Its name says {called(named)}, and its bytes are {called(kind)}."


def called(mime: str) -> str:
    """A type as people call it.

    >>> called("image/webp")
    'WEBP'
    """
    if mime in _CALLED or not is_media(mime):
        return _CALLED.get(mime, mime)
    return mime.rpartition("/")[2].removeprefix("x-").upper()


def embeds(mime: str) -> bool:
    """Whether a manifest goes into a file of this type, or else beside it."""
    return mime in EMBEDDABLE_TYPES
