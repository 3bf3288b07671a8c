"""What is written to: terminals that know few letters, and readers that leave early.

A mark that a terminal has no letter for must not end a command (`PYTHONIOENCODING=ascii`, a console
in cp1252), and neither must `| head`: what a command comes to is what its exit code says.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

_NEAREST = {
    "✓": "+",
    "✗": "x",
    "·": "-",
    "…": "...",
    "–": "-",
    "—": "-",
    "→": "->",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "•": "*",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "ε": "epsilon",
    "δ": "delta",
    "\ufffd": "?",
}
_LINES = {"─": "-", "━": "-", "│": "|", "┃": "|"}  # of boxes; whatever else they have is a corner
_NAME = "safegen.nearest"


def _nearest(error: UnicodeError) -> tuple[str | bytes, int]:
    r"""Write a letter that a coding lacks as the nearest that it has, or as `\xe4`.

    >>> "✓ ä".encode("ascii", _NAME)
    b'+ \\xe4'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_instead(letter) for letter in letters), error.end


def _instead(letter: str) -> str:
    if letter in _NEAREST:
        return _NEAREST[letter]
    if "\u2500" <= letter <= "\u257f":
        return _LINES.get(letter, "+")
    if "\u2800" <= letter <= "\u28ff":  # Braille, of which turning wheels are made
        return "*"
    return letter.encode("ascii", "backslashreplace").decode()


codecs.register_error(_NAME, _nearest)


class _Patient(io.FileIO):
    """A pipe whose reader may leave: what comes after is written to nobody."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def settle() -> None:
    """Make standard output and standard error such that writing to them ends no command."""
    sys.stdout, sys.stderr = _settled(sys.stdout), _settled(sys.stderr)


def _settled(stream: TextIO) -> TextIO:
    if type(stream) is not io.TextIOWrapper:  # whoever replaced it knows why
        return stream
    try:
        stream.flush()
        raw = _Patient(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError):  # closed, or no file
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=_NAME,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def document(text: str) -> None:
    """Write a document for programs to standard output: in UTF-8, whatever the terminal knows."""
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(text)
    else:
        binary.write(text.encode())
    sys.stdout.flush()
