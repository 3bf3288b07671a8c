"""How releases and outputs show themselves in a notebook: picture, credentials, decision, log.

What is said of an output was read from its file when it was signed; whoever wants to check it
asks `safegen.verify`. Text from outside is escaped, and nothing is fetched.

    <figure><img ...><figcaption>bag <badge> signed by ..., allowed by baseline, entry 17</figure>
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Protocol

from safegen.provenance.keys.shown import visible
from safegen.provenance.media.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.schemas.certificate import PrivacyCertificate
    from safegen.schemas.config import PackageConfig
    from safegen.schemas.receipt import Receipt

MAX_SHOWN = 24  # outputs of a release that are drawn
_FIRST_BYTES = 64  # which tell a file's kind
_CSS_PX = 128  # side at which a picture is drawn, whatever it has of its own
_DRAWN_BY_BROWSERS = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/avif"})
_COLOURS = {"Trusted": "#067647", "Valid": "#b54708", "Invalid": "#b42318"}  # legible on white


class Output(Protocol):
    """What is shown of a released file; `safegen.Output` is one."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as there
    @property
    def data(self) -> bytes: ...  # noqa: D102
    @property
    def receipt(self) -> Receipt: ...  # noqa: D102
    @property
    def manifest(self) -> Manifest: ...  # noqa: D102


def html_of(output: Output) -> str:
    """An output as a piece of a page, at most a few kilobytes beyond its own picture."""
    receipt = output.receipt
    told = (
        f"signed by {_text(output.manifest.signer)}",
        f"for “{_text(receipt.request.purpose)}”",
        f"entry {receipt.proof.index + 1:,} of its log",
    )
    return (
        "<figure style='display:inline-block;vertical-align:top;width:14em;margin:.5em 1em .5em 0'>"
        f"{_picture(output)}<figcaption style='font:13px/1.45 system-ui,sans-serif'>"
        f"<b>{_text(receipt.request.label_name)}</b> {_badge(output.manifest)}"
        f"<br>{'<br>'.join(told)}<br><code>{_text(output.name)}</code></figcaption></figure>"
    )


def html_of_all(outputs: Sequence[Output], count: int) -> str:
    """A release as a piece of a page.

    Args:
        outputs: those that have left and are in memory.
        count: how many the release has.
    """
    head = f"<p style='font:14px/1.5 system-ui,sans-serif'><b>{count:,} outputs</b>"
    if not outputs:
        return f"{head}, which have not left, or lie in their folder: save them, or ask for one</p>"
    shown = outputs[:MAX_SHOWN]
    more = f", the first {len(shown)} of which are" if len(shown) < count else ""
    return f"{head}{more}</p>{''.join(map(html_of, shown))}"


def html_of_model(name: str, config: PackageConfig, certificate: PrivacyCertificate) -> str:
    """A model as a piece of a page: what it makes, and what its privacy is.

    Args:
        name: its digest.
        config: what its package says of it.
        certificate: its privacy claim.
    """
    rows = {
        "model": f"<code>{_text(name)}</code>",
        "makes": _text(", ".join(config.data.classes)),
        "trained on": f"{_text(config.data.name)}, one unit being one {_text(certificate.unit)}",
        "privacy": f"epsilon {certificate.epsilon:.4g} at delta {certificate.delta:.3g}",
    }
    cells = "".join(
        f"<tr><th style='text-align:left'>{head}</th><td style='text-align:left'>{told}</td></tr>"
        for head, told in rows.items()
    )
    return f"<b>{_text(config.name)}</b><table>{cells}</table>"


def _picture(output: Output) -> str:
    mime = kind_of(output.data[:_FIRST_BYTES])
    if mime not in _DRAWN_BY_BROWSERS:
        return ""
    data = base64.b64encode(output.data).decode()
    return (
        f"<img alt='{_text(output.receipt.request.label_name)}, generated' "
        f"src='data:{mime};base64,{data}' "
        f"style='height:{_CSS_PX}px;min-width:{_CSS_PX // 4}px;image-rendering:pixelated'>"
    )


def _badge(manifest: Manifest) -> str:
    colour = _COLOURS[manifest.state]
    return (
        f"<span title='{_text(manifest.label)}' style='display:inline-block;padding:0 .6em;"
        f"border-radius:1em;background:{colour};color:#fff;font-size:12px'>"
        f"Content Credentials: {manifest.state.lower()}</span>"
    )


def _text(text: str) -> str:
    return escape(visible(text), quote=True)
