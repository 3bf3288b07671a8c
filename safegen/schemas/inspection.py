"""A verdict, and beside it what the file's manifest says: for whoever shows a file to people."""

from __future__ import annotations

from safegen.schemas.canonical import Record
from safegen.schemas.verdict import Verdict


class Inspection(Record):
    """What looking at one file found, and the words that it was said of.

    Attributes:
        verdict: whether what the manifest says can be believed.
        manifest: what it says, as JSON text: `label`, `generator`, `statements` (each with `label`,
            `created` and `data`), and `ancestors` with the statements of what the file was made
            from. None where no manifest was read, or it is too long to show.
    """

    verdict: Verdict
    manifest: str | None = None
