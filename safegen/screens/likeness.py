"""Likeness: how much an output resembles a person or a mark of a registry, who did not consent.

With the user's own network, it is the cosine of the angle between embeddings; without one, the
share of bits that two perceptual codes have in common: copies are found by it, and nothing else.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import ValidationError

from safegen.errors import DataError, InputError
from safegen.modality.image import ImageModality, pixels_of
from safegen.schemas.canonical import canonical_bytes, digest, sha256
from safegen.schemas.likeness import Consent, LikenessRegistry, ProtectedEntry
from safegen.schemas.screens import ScreenContent
from safegen.screens.codes import codes_of, load_library, similarities
from safegen.screens.onnx import OnnxNetwork, require_digest
from safegen.screens.pictures import dimensions_of, prepared
from safegen.screens.screen import Batch
from safegen.storage import read, write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from safegen.schemas.screens import PictureInput

    Floats = NDArray[np.float64]

SMALLEST_LENGTH = 1e-6  # of an embedding that has a direction


class Embedder:
    """A network that turns pictures into directions: those of one face or mark lie close.

    Attributes:
        file_digest: of the network's file.
        digest: of the file's digest and of how pictures are given to it.
    """

    def __init__(
        self,
        file: str | Path,
        wanted: PictureInput,
        *,
        digest: str | None = None,
        output: str | None = None,
    ) -> None:
        """Describe a network; `open` opens it.

        Args:
            file: an ONNX file that holds its own weights.
            wanted: how pictures are handed to it.
            digest: that the file must have; what it has now when None.
            output: the network's output, where it has several.
        """
        self._file, self._wanted, self._output = Path(file), wanted, output
        self.file_digest = sha256(read(self._file)) if digest is None else digest
        self._network: OnnxNetwork | None = None

    @property
    def digest(self) -> str:
        """Of the file's digest and of how pictures are given to it."""
        content = ScreenContent(
            kind="embedder", file_digest=self.file_digest, input=self._wanted, output=self._output
        )
        return digest(content)

    def open(self) -> OnnxNetwork:
        """Open the network.

        Raises:
            InputError: the file has another digest or shape.
        """
        if self._network is None:
            self._network = OnnxNetwork(
                self._file, self.file_digest, dimensions_of(self._wanted), self._output
            )
        return self._network

    def stop(self) -> None:
        """Give up a batch that another thread waits for no more."""
        if self._network is not None:
            self._network.stop()

    def _run(self, batch: Batch) -> NDArray[np.float32]:
        return self.open().run(batch.samples, partial(prepared, wanted=self._wanted))

    def features_of(self, batch: Batch) -> Floats:
        """Embeddings (n, dimensions) of length 1, float64; NaN where there is no direction."""
        found = self._run(batch).astype(np.float64)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        directions: Floats = found / np.where(lengths < SMALLEST_LENGTH, np.nan, lengths)
        return directions


class Likeness:
    """How much a sample resembles what is protected, from 0 to 1.

    The score is the largest similarity to any entry of the registry without a consent; 0 where all
    have one.

    Attributes:
        name: of the screen.
        file_digest: of the registry's file.
    """

    def __init__(
        self,
        name: str,
        registry: str | Path,
        *,
        embedder: Embedder | None = None,
        registry_digest: str | None = None,
    ) -> None:
        """Read a registry.

        Args:
            name: a policy speaks of the score as `output.screens.<name>`.
            registry: a file that `protect` writes.
            embedder: the network by which it was made; None where it has codes.
            registry_digest: that the file must have; what it has now when None.

        Raises:
            InputError: it is another file or no registry, was made with another network, or a
                consent in it has expired.
            StorageError: it cannot be read.
        """
        self.name, self._embedder = name, embedder
        path = Path(registry)
        data = read(path) if registry_digest is None else require_digest(path, registry_digest)
        self.file_digest = sha256(data)
        self._place, self._registry = str(registry), _parsed(data, path)
        made_with = self._registry.embedder
        if made_with != (None if embedder is None else embedder.digest):
            raise InputError(
                f"{registry} was made with {'another network' if made_with else 'codes'}; give the "
                "network, and its input, with which `protect` made it"
            )
        self._require_consents()
        self._features = _features(self._registry, path)

    @property
    def digest(self) -> str:
        """Of the registry and the network together."""
        embedder = None if self._embedder is None else self._embedder.digest
        content = ScreenContent(
            kind="likeness", file_digest=self.file_digest, embedder_digest=embedder
        )
        return digest(content)

    def open(self) -> None:
        """Open the network, and see whether it makes what the registry holds.

        Raises:
            InputError: the network is another one, or of another shape.
        """
        if self._embedder is None:
            load_library()
        else:
            self._embedder.open()

    def stop(self) -> None:
        """Give up a batch that another thread waits for no more."""
        if self._embedder is not None:
            self._embedder.stop()

    def measure(self, batch: Batch) -> list[float]:
        """The largest similarity to whoever did not consent, of each picture."""
        self._require_consents()
        kept = [each.consent is None for each in self._registry.entries]
        protected = self._features[kept]
        if not len(protected):
            return [0.0] * len(batch)
        if self._embedder is None:
            alike = similarities(codes_of(batch), protected)
        else:
            alike = self._embedder.features_of(batch) @ protected.T
        scores: list[float] = alike.max(axis=1).clip(0, 1).tolist()
        return scores

    def _require_consents(self) -> None:
        today = _today()
        for each in self._registry.entries:
            if each.consent is not None and each.consent.until < today:
                raise InputError(
                    f"{self._place}: the consent of {each.name!r} ({each.consent.reference}) ended "
                    f"on {each.consent.until}; renew it, or take it out, so that the entry is "
                    "protected from everything"
                )


def protect(
    registry: str | Path,
    pictures: Iterable[str | Path],
    *,
    name: str,
    what: Literal["person", "mark"],
    consent: tuple[str, date] | None = None,
    embedder: Embedder | None = None,
) -> str:
    """Add pictures of somebody or something to a registry; only their features are kept.

    Args:
        registry: the file; a new one is begun where there is none.
        pictures: their files.
        name: by which the house knows who or what it is.
        what: `person` or `mark`.
        consent: its reference and its last day, where outputs may resemble it.
        embedder: makes embeddings; perceptual codes are kept when None.

    Returns:
        The file's new digest, for policies.

    Raises:
        DataError: a file is no whole picture.
        InputError: the registry is of another method or network, no picture or name is given, or
            what is protected is neither a person nor a mark.
        StorageError: a file cannot be read or written; the registry is as it was.
    """
    path = Path(registry)
    method: Any = "codes" if embedder is None else "embeddings"
    made_with = None if embedder is None else embedder.digest
    before: tuple[ProtectedEntry, ...] = ()
    if path.exists():
        found = _parsed(read(path), path)
        if (found.method, found.embedder) != (method, made_with):
            raise InputError(
                f"{path} holds {found.method} of another making; begin a new registry for these"
            )
        before = found.entries
    found_in = [_features_in(Path(each), embedder) for each in pictures]
    if not found_in:
        raise InputError(f"no picture of {name!r} was given; name one or more files")
    features = np.stack(found_in)
    if not np.isfinite(features).all():
        raise InputError(f"the network finds no direction in a picture of {name!r}; use another")
    kept = features if embedder is None else features.astype("<f4")
    try:
        added = tuple(
            ProtectedEntry(
                name=name,
                what=what,
                features=base64.b64encode(one.tobytes()).decode(),
                consent=consent and Consent(reference=consent[0], until=consent[1]),
            )
            for one in kept
        )
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InputError(f"{problem['loc'][0]}: {problem['msg']}") from error
    entries = (*before, *added)
    data = canonical_bytes(LikenessRegistry(method=method, embedder=made_with, entries=entries))
    write(path, data)
    return sha256(data)


def _features_in(path: Path, embedder: Embedder | None) -> NDArray[Any]:
    """What is kept of one picture: (bytes,) of a code, or (dimensions,) of an embedding."""
    data = read(path)
    try:
        if embedder is None:
            return np.frombuffer(ImageModality.fingerprint(data), dtype=np.uint8)
        pixels = pixels_of(data)
    except DataError as error:
        raise DataError(f"{path}: {error}; mend it, or leave it out") from error
    found: NDArray[Any] = embedder.features_of(Batch(samples=pixels[None], requests=()))[0]
    return found


def _parsed(data: bytes, path: Path) -> LikenessRegistry:
    try:
        return LikenessRegistry.model_validate_json(data)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise InputError(f"{path} is no likeness registry: {where}: {problem['msg']}") from error


def _features(registry: LikenessRegistry, path: Path) -> NDArray[Any]:
    """(entries, bytes) uint8 of codes, or (entries, dimensions) float64 of embeddings."""
    try:
        raw = [base64.b64decode(each.features, validate=True) for each in registry.entries]
    except binascii.Error as error:
        raise InputError(f"{path}: the features of an entry are no base64") from error
    kind = "u1" if registry.method == "codes" else "<f4"
    if len({len(each) for each in raw}) > 1 or len(raw[0]) % np.dtype(kind).itemsize:
        raise InputError(f"{path}: its entries have features of different lengths")
    features = np.stack([np.frombuffer(each, dtype=kind) for each in raw])
    if registry.method == "embeddings":
        features = features.astype(np.float64)
        if not np.allclose(np.linalg.norm(features, axis=1), 1, atol=1e-3):
            raise InputError(f"{path}: its embeddings are not of length 1")
    return features


def _today() -> date:
    return datetime.now(UTC).date()
