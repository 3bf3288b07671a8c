"""A file that lies nowhere, such as one that somebody sent: its bytes, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass, field

UNNAMED = "(bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file in memory, with nothing beside it.

    Attributes:
        name: what verdicts call it; its suffix counts where the first bytes tell no type.
        data: all of it.
    """

    name: str = UNNAMED
    data: bytes = field(repr=False)
