"""A model package: a folder with weights, config, certificate and its own signed manifest.

    weights.safetensors   tensors; no code is run by reading them
    config.json           PackageConfig
    certificate.json      PrivacyCertificate
    model.c2pa            signed manifest: binds the weights, digests config and certificate
    digests.json          digests of all four, so that any changed byte is found
    README.md             the model card, for people; neither signed nor read

The digest of (weights, config, certificate) names the model; signing it again keeps the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from safegen import storage
from safegen.errors import DataError, TamperedError, TrainingError
from safegen.package.presence import require_package
from safegen.schemas.canonical import Record, canonical_bytes, digest, sha256
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.config import PackageConfig, PackageDigests
from safegen.schemas.log import LogEntry
from safegen.schemas.names import CARD, CERTIFICATE, CONFIG, DIGESTS, MODEL_MANIFEST, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

WEIGHTS_MIME = "application/octet-stream"
_ENDING = b"\n<!-- written by safegen, which writes it anew only while it is untouched: %s -->\n"


class _FileDigests(Record):
    """`digests.json`: the model's digests and its manifest's."""

    model: PackageDigests
    manifest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A package's content, in bytes, before its manifest is made."""

    weights: bytes
    config: bytes
    certificate: bytes

    @property
    def digests(self) -> PackageDigests:
        """What the manifest signs and the model is named by."""
        return PackageDigests(
            weights=sha256(self.weights),
            config=sha256(self.config),
            certificate=sha256(self.certificate),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An opened package whose files all have the digests that it states.

    Attributes:
        folder: where it lies.
        config: what it says of itself.
        certificate: its privacy claim.
        weights: its tensors by name.
        content: the same three as bytes.
        manifest: its signed manifest, still to be validated by the caller.
        digest: the model's name.
    """

    folder: Path
    config: PackageConfig
    certificate: PrivacyCertificate
    weights: Mapping[str, Tensor]
    content: Unsigned
    manifest: bytes
    digest: str


def pack(
    weights: Mapping[str, Tensor], config: PackageConfig, certificate: PrivacyCertificate
) -> Unsigned:
    """Turn a model into a package's bytes.

    Raises:
        TrainingError: a weight is not finite, so the generator would make nothing.
    """
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise TrainingError(f"{name} is not finite after training; lower the learning rate")
    return Unsigned(
        weights=save_tensors({name: tensor.contiguous() for name, tensor in weights.items()}),
        config=config.model_dump_json(indent=2).encode() + b"\n",
        certificate=certificate.model_dump_json(indent=2).encode() + b"\n",
    )


def write(folder: Path, content: Unsigned, manifest: bytes) -> None:
    """Write a package; `digests.json` comes last, so that a half-written one does not open.

    Raises:
        StorageError: the folder cannot be written.
    """
    storage.write(folder / WEIGHTS, content.weights)
    storage.write(folder / CONFIG, content.config)
    storage.write(folder / CERTIFICATE, content.certificate)
    storage.write(folder / MODEL_MANIFEST, manifest)
    digests = _FileDigests(model=content.digests, manifest=sha256(manifest))
    storage.write(folder / DIGESTS, canonical_bytes(digests))


def write_card(folder: Path, text: str) -> bool:
    """Write a package's model card, unless a person has written or changed the one that is there.

    The card ends with a digest of itself, by which an untouched one is known.

    Returns:
        Whether it was written.

    Raises:
        StorageError: it cannot be written.
    """
    path = folder / CARD
    if path.exists() and not _untouched(storage.read(path)):
        return False
    body = text.encode()
    storage.write(path, body + _ENDING % sha256(body).encode())
    return True


def _untouched(card: bytes) -> bool:
    """Whether a card is still as `write_card` left it."""
    body, mark, _ = card.rpartition(_ENDING.partition(b"%s")[0])
    return bool(mark) and card == body + _ENDING % sha256(body).encode()


def log_entry(content: Unsigned, time: str) -> LogEntry:
    """The ledger's row for a new package: its weights are the file that was released."""
    return LogEntry(
        kind="model",
        file_digest=content.digests.weights,
        model_digest=digest(content.digests),
        policy_digest=None,
        time=time,
    )


def read(folder: Path) -> Package:
    """Open a package and check every digest.

    Raises:
        DataError: the folder is not a package.
        TamperedError: a file is not what it was.
    """
    require_package(folder)
    stated = storage.read(folder / DIGESTS)
    content = Unsigned(
        weights=storage.read(folder / WEIGHTS),
        config=storage.read(folder / CONFIG),
        certificate=storage.read(folder / CERTIFICATE),
    )
    manifest = storage.read(folder / MODEL_MANIFEST)
    found = _FileDigests(model=content.digests, manifest=sha256(manifest))
    if canonical_bytes(found) != stated:
        raise TamperedError(
            f"{folder / _changed(found, stated)} is not what was packaged: its digest differs; "
            "use an intact copy"
        )
    try:
        return Package(
            folder=folder,
            config=PackageConfig.model_validate_json(content.config),
            certificate=PrivacyCertificate.model_validate_json(content.certificate),
            weights=load_tensors(content.weights),
            content=content,
            manifest=manifest,
            digest=digest(content.digests),
        )
    except (ValidationError, SafetensorError) as error:
        raise DataError(f"{folder} was made by another version of safegen: {error}") from error


def _changed(found: _FileDigests, stated: bytes) -> str:
    """The file whose digest differs from the stated one."""
    try:
        expected = _FileDigests.model_validate_json(stated)
    except ValidationError:
        return DIGESTS
    names = {"weights": WEIGHTS, "config": CONFIG, "certificate": CERTIFICATE}
    for field, name in names.items():
        if getattr(expected.model, field) != getattr(found.model, field):
            return name
    return MODEL_MANIFEST if expected.manifest != found.manifest else DIGESTS
