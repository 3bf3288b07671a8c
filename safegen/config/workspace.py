"""Places that belong to whoever trains, signs and logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from safegen.arguments import require_types
from safegen.errors import InputError
from safegen.option import Spelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Whose keys sign, and where it is written down.

    Attributes:
        keys: who signs: a folder made by `safegen keys init`, or a key's URI.
        ledger: where releases are logged: a file or a database URL.
        budget: where spending is kept; by default in your own data folder.
        timestamp_url: a time-stamp authority (RFC 3161) for every signature.

    >>> Workspace(ledger="")
    Traceback (most recent call last):
    safegen.errors.InputError: ledger is empty; name a place
    """

    keys: Annotated[str | Path, Spelled(value="PATH")] = "keys"
    ledger: Annotated[str | Path, Spelled(value="PATH")] = "ledger.db"
    budget: Annotated[str | Path | None, Spelled(value="PATH")] = None
    timestamp_url: Annotated[str | None, Spelled("--time-stamps", value="URL")] = None

    def __post_init__(self) -> None:
        require_types(self)
        for name in ("keys", "ledger", "budget", "timestamp_url"):
            value = getattr(self, name)
            if value is not None and not str(value).strip():
                raise InputError(f"{name} is empty; name a place")
        url = self.timestamp_url
        if url is not None and not url.lower().startswith(("http://", "https://")):
            raise InputError(
                f"timestamp_url is {url!r}; name an authority by an address that begins with "
                "http:// or https://"
            )
