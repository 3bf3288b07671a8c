"""Somebody else's text, unable to break a document or to pass for ours."""

from __future__ import annotations

from safegen.provenance.keys.shown import visible


def printable(text: str) -> str:
    r"""Text whose control characters and marks that turn writing around are shown as such.

    >>> printable("a" + chr(27) + "[2Kb" + chr(0x202E))
    'a\ufffd[2Kb\ufffd'
    """
    return visible(text)
