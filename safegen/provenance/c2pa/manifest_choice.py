"""Which manifest speaks for a file: the one in it, or the one beside it.

A file can have both: an editor put its manifest beside a file that carried an older one, or signed
a file anew whose earlier manifest still lies beside it. The one that binds the bytes as they are
now decides. Where both do, the one beside it is the later, since it binds the one inside as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from safegen.errors import StorageError
from safegen.provenance.c2pa import sidecar
from safegen.provenance.c2pa.manifest import Manifest, UnreadableManifestError, read
from safegen.provenance.media import formats

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.provenance.keys.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The manifest that speaks for a file, and another that is there and does not.

    Attributes:
        manifest: what decides.
        beside: where that lies, and its content; None when it is in the file itself.
        other: the one that does not decide; None when there is none, or it cannot be read.
        other_beside: where that lies; None when it is in the file itself, or there is none.
    """

    manifest: Manifest
    beside: sidecar.Sidecar | None
    other: Manifest | None = None
    other_beside: Path | None = None

    def told(self) -> str | None:
        """The other one, in a sentence."""
        if self.other is None:
            return None
        signed = f"signed by {self.other.signer}"
        if self.other_beside is not None:
            return (
                f"The manifest {self.other_beside.name} beside it, {signed}, is of another file, "
                "or of this one as it was before."
            )
        holds = "holds, too" if self.other.binds else "does not hold for it as it is now"
        return f"It also carries an older manifest, {signed}, which {holds}."


def choose(path: Path | None, data: bytes, mime: str, trust: Trust | None) -> Chosen:
    """Read what a file carries and what lies beside it, and choose.

    Args:
        path: the file; None where it lies nowhere, and nothing beside it.
        data: its content.
        mime: its media type.
        trust: whom to trust.

    Raises:
        UnreadableManifestError: there is none that can be read.
    """
    inside = _inside(data, mime, trust)
    if isinstance(inside, Manifest):
        if path is None:
            return Chosen(manifest=inside, beside=None)
        return _of_two(inside, path, data, mime, trust)
    beside = None if path is None else _beside(path, data)
    if beside is None:
        raise inside
    outside = _outside(beside, data, mime, trust)
    broken = inside.problem in {"unreadable", "refused"}
    if broken and formats.embeds(mime) and not outside.binds:
        raise inside
    return Chosen(manifest=outside, beside=beside)


def _of_two(inside: Manifest, path: Path, data: bytes, mime: str, trust: Trust | None) -> Chosen:
    """Where the file carries one already; what cannot be read beside it tells nothing."""
    try:
        beside = sidecar.find(path, data, by_name=formats.embeds(mime))
        outside = None if beside is None else _outside(beside, data, mime, trust)
    except (StorageError, UnreadableManifestError):
        beside = outside = None
    if beside is None or outside is None:
        return Chosen(manifest=inside, beside=None)
    if outside.binds:
        return Chosen(manifest=outside, beside=beside, other=inside)
    if beside[0] != sidecar.beside(path):  # a name that several files can share
        return Chosen(manifest=inside, beside=None)
    return Chosen(manifest=inside, beside=None, other=outside, other_beside=beside[0])


def _inside(data: bytes, mime: str, trust: Trust | None) -> Manifest | UnreadableManifestError:
    try:
        return read(data, mime, trust=trust)
    except UnreadableManifestError as error:
        return error


def _beside(path: Path, data: bytes) -> sidecar.Sidecar | None:
    try:
        return sidecar.find(path, data)
    except StorageError as error:
        raise UnreadableManifestError("unreadable", str(error)) from error


def _outside(beside: sidecar.Sidecar, data: bytes, mime: str, trust: Trust | None) -> Manifest:
    try:
        return read(data, mime, trust=trust, beside=beside[1])
    except UnreadableManifestError as error:
        text = f"the manifest beside it, {beside[0].name}, is broken, or no manifest at all"
        raise UnreadableManifestError("unreadable", text) from error
