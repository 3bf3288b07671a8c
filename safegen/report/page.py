"""What all pages share: templates that escape everything, and pictures inside the page."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def pages() -> Environment:
    """The templates of this folder; a name that a page does not know is an error."""
    return Environment(
        loader=PackageLoader("safegen.report", "."),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def inline(png: bytes) -> str:
    """A picture as the address of itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
