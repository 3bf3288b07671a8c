"""What attacks share: signed files of every embedded format, a second judge, a stranger's keys."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from safegen.provenance.c2pa import manifest as manifests
from safegen.provenance.keys.trust import trust_in
from safegen.provenance.media import formats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
UNPROTECTED_BOXES = {b"ftyp", b"free", b"skip", b"mfra"}  # C2PA 2.4, hash of BMFF
Range = tuple[int, int]


@dataclass(frozen=True)
class Subject:
    """One file that was signed and logged by our code, to be attacked in copies.

    Attributes:
        mime: its media type.
        path: where it lies, with its receipt if it has one.
        data: its bytes.
        store: where its manifest store is, with the container's own framing.
        loose: what else C2PA does not hash: some boxes of MP4 and AVIF.
    """

    mime: str
    path: Path
    data: bytes
    store: tuple[Range, ...]
    loose: tuple[Range, ...]

    @property
    def suffix(self) -> str:
        return self.path.suffix


class Judges:
    """Our verifier's and the second one's words on some bytes."""

    def __init__(self, made) -> None:
        self._other = pytest.importorskip("encypher_c2pa")
        self.trust = trust_in(made.root.read_bytes())
        self._root = made.root.read_text()

    def statements(self, data: bytes, mime: str):
        """Everything that a manifest says and that validating it found; None if unreadable.

        Not the store's own bytes, whose padding says nothing.
        """
        try:
            return replace(manifests.read(data, mime, trust=self.trust), store=b"")
        except manifests.UnreadableManifestError:
            return None

    def second(self, data: bytes, mime: str) -> str:
        """The independent verifier's state; `unreadable` where it raises."""
        try:
            found = self._other.verify(
                data,
                mime,
                trust_pem=self._root,
                no_default_trust=True,
                telemetry=False,
                online=False,
            )
        except Exception:  # noqa: BLE001 - it raises on whatever it cannot parse
            return "unreadable"
        return str(found["validation_state"])


@pytest.fixture(scope="session")
def judges(made) -> Judges:
    return Judges(made)


@pytest.fixture(scope="session")
def subjects(made, model, media, tmp_path_factory) -> dict[str, Subject]:
    """A signed, logged file of each embedded format, by media type."""
    folder = tmp_path_factory.mktemp("subjects")
    found = {}
    for mime, suffix in formats.EMBEDDABLE_TYPES.items():
        path = folder / mime.replace("/", "-") / f"0001{suffix}"
        if mime.startswith("image/"):
            release = model.generate(
                1, label=7, seed=3, purpose="a test", format=mime.removeprefix("image/"),
                name="0001",
            )  # fmt: skip
            release.save(path.parent)
        else:
            path.parent.mkdir()
            path.write_bytes(_signed_as_output(made, mime, media[mime]))
        data = path.read_bytes()
        found[mime] = Subject(
            mime=mime,
            path=path,
            data=data,
            store=tuple(store_of(mime, data)),
            loose=tuple(loose_of(mime, data)),
        )
    return found


@pytest.fixture(scope="session")
def stranger(tmp_path_factory) -> Path:
    """Keys of somebody whom nobody trusts."""
    from safegen.provenance.keys import pki

    folder = tmp_path_factory.mktemp("stranger") / "keys"
    pki.init(folder, organisation="a stranger")
    return folder


def _signed_as_output(made, mime: str, plain: bytes) -> bytes:
    """A sound or film with everything that an output's manifest says, but the fingerprint."""
    from safegen.package import files
    from safegen.pipeline.generate.signing import model_ingredient
    from safegen.provenance.c2pa import claims
    from safegen.provenance.keys.opener import open_signer
    from safegen.provenance.log.ledger import Ledger
    from safegen.schemas.canonical import sha256
    from safegen.schemas.receipt import LogEntry, Receipt

    opened = files.read(made.model)
    receipt = Receipt.model_validate_json((made.outputs / "0001.receipt.json").read_bytes())
    claim = claims.output_claim(
        title=f"0001{formats.EMBEDDABLE_TYPES[mime]}",
        mime=mime,
        source_type=claims.SOURCE_TYPES["model"],
        maker=claims.Maker(
            ingredient=model_ingredient(opened),
            digest=opened.digest,
            certificate=opened.certificate,
        ),
        account=claims.Account(
            request=receipt.request,
            explanation=_summary(receipt.explanation),
            decision=receipt.decisions[-1],
        ),
        fingerprint=None,
    )
    data, _ = manifests.sign(
        plain,
        claim,
        open_signer(made.keys),
    )
    entry = LogEntry(
        kind="output",
        file_digest=sha256(data),
        model_digest=opened.digest,
        policy_digest=receipt.entry.policy_digest,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    Ledger(made.ledger).append([entry], signer=open_signer(made.keys))
    return data


def _summary(explanation):
    from safegen.explain.summary import summarise

    return summarise(explanation)


def store_of(mime: str, data: bytes) -> Iterator[Range]:
    """Where the manifest store lies in a file, found from the container's own layout."""
    if mime == "image/png":
        yield from _png(data)
    elif mime == "image/jpeg":
        yield from _jpeg(data)
    elif mime in {"image/webp", "audio/wav"}:
        yield from _riff(data)
    elif mime == "image/gif":
        yield from _gif(data)
    elif mime == "image/tiff":
        yield from _tiff(data)
    else:
        yield from (
            (start, end)
            for kind, start, end in boxes(data)
            if kind == b"uuid" and data[start + 8 : start + 24] == C2PA_BOX
        )


def loose_of(mime: str, data: bytes) -> Iterator[Range]:
    if mime in {"image/avif", "video/mp4"}:
        for kind, start, end in boxes(data):
            if kind in UNPROTECTED_BOXES:
                yield start, end


def boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    start = 0
    while start < len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start, start + length
        start += length


def _png(data: bytes) -> Iterator[Range]:
    start = 8
    while start < len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        if kind == b"caBX":
            yield start, start + 12 + length
        start += 12 + length


def _jpeg(data: bytes) -> Iterator[Range]:
    start = 2
    while data[start + 1] != 0xDA:
        end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
        if data[start + 1] == 0xEB:
            yield start, end
        start = end


def _riff(data: bytes) -> Iterator[Range]:
    start = 12
    while start + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, start)
        if kind == b"C2PA":
            yield start, start + 8 + length  # the hash covers the padding after it
        start += 8 + length + length % 2


def _gif(data: bytes) -> Iterator[Range]:
    start = data.index(b"\x21\xff\x0bC2PA_GIF")
    end = start + 14
    while data[end]:
        end += 1 + data[end]
    yield start, end + 1


def _tiff(data: bytes) -> Iterator[Range]:
    order = "<" if data[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(f"{order}I", data, 4)
    (entries,) = struct.unpack_from(f"{order}H", data, directory)
    for number in range(entries):
        place = directory + 2 + 12 * number
        tag, _, count, offset = struct.unpack_from(f"{order}HHII", data, place)
        if tag == 0xCD41:
            yield place + 4, place + 8  # its length
            yield offset, offset + count
