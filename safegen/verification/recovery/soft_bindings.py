"""C2PA's soft-binding resolution API as functions: a request's values in, a response's value out.

    GET  /services/supportedAlgorithms   supported_algorithms()
    GET  /matches/byBinding              by_binding(...)     also POST, with the same values
    POST /matches/byContent              by_content(...)     the content's bytes
    GET  /manifests/{manifestId}         manifest(...)       application/c2pa

Whatever serves them maps `DataError` and `InputError` to status 400, None to 404, `StorageError`
to 503. A manifest's identifier is its label with the row before it, `12:urn:c2pa:...`, since rows
are what a ledger finds quickly; a client hands it back as it came. What is answered is believed as
in `recover`: each manifest is read, and its own statement compared, before it is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from safegen.errors import InputError, TamperedError
from safegen.modality import image_code
from safegen.schemas.canonical import Record
from safegen.verification.recovery import chance
from safegen.verification.recovery.originals import original_of
from safegen.verification.recovery.recover import ALGORITHM, codes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.verification.evidence import Log

MOST = 10  # matches when nobody asks for fewer, and when somebody asks for more


class Algorithm(Record):
    """An algorithm by C2PA's name."""

    alg: str


class SupportedAlgorithms(Record):
    """What can be asked for.

    Attributes:
        watermarks: algorithms that read an identifier from the content.
        fingerprints: algorithms that compute a code from it.
    """

    watermarks: tuple[Algorithm, ...]
    fingerprints: tuple[Algorithm, ...]


class Match(Record):
    """One manifest that may be of the content.

    Attributes:
        manifestId: to ask `/manifests/` for.
        similarityScore: bits that agree, in per cent.
    """

    manifestId: str  # noqa: N815 - the API's own names
    similarityScore: int = Field(ge=0, le=100)  # noqa: N815


class Matches(Record):
    """What is near, the nearest first."""

    matches: tuple[Match, ...]


class Store(Record):
    """A manifest store, and the media type to send it with."""

    content: bytes
    mime: Literal["application/c2pa"] = "application/c2pa"


def supported_algorithms() -> SupportedAlgorithms:
    """What can be asked for here."""
    return SupportedAlgorithms(watermarks=(), fingerprints=(Algorithm(alg=ALGORITHM),))


def by_binding(log: Log, *, alg: str, value: str, most: int = MOST) -> Matches:
    """Manifests whose soft binding is near to one.

    Args:
        log: the ledger.
        alg: C2PA's name of the algorithm.
        value: the code in base64, as in a manifest.
        most: matches to tell (`maxResults`).

    Raises:
        InputError: the algorithm is not known here, or the value is none of it.
        StorageError: the ledger cannot be read.
    """
    _require_known(alg)
    code = image_code.decode(value)
    if code is None:
        raise InputError(f"value is no code of {ALGORITHM}: give 8 bytes in base64")
    return _matches(log, (code,), most)


def by_content(log: Log, content: bytes, *, alg: str = ALGORITHM, most: int = MOST) -> Matches:
    """Manifests whose soft binding is near to that of a file.

    Args:
        log: the ledger.
        content: the file.
        alg: C2PA's name of the algorithm to use.
        most: matches to tell (`maxResults`).

    Raises:
        DataError: no fingerprint can be taken of the content.
        InputError: the algorithm is not known here.
        StorageError: the ledger cannot be read.
    """
    _require_known(alg)
    return _matches(log, codes_of(content), most)


def manifest(log: Log, manifest_id: str) -> Store | None:
    """A manifest store by the identifier that a match had; None when the ledger has none such.

    Raises:
        TamperedError: what is kept is not what was signed.
        StorageError: the ledger cannot be read.
    """
    row, _, label = manifest_id.partition(":")
    if not (row.isascii() and row.isdigit() and len(row) <= 18):
        return None
    kept = log.kept(int(row))
    if kept is None or original_of(kept, None).manifest.label != label:
        return None
    return Store(content=kept.manifest)


def _require_known(alg: str) -> None:
    if alg != ALGORITHM:
        raise InputError(f"no algorithm {alg!r} is known here; ask by {ALGORITHM}")


def _matches(log: Log, codes: Sequence[bytes], most: int) -> Matches:
    if most < 1:
        raise InputError(f"maxResults is {most}; ask for at least one match")
    found = []
    for near in log.alike(codes, within=chance.FURTHEST, most=min(most, MOST)).near:
        kept = log.kept(near.number)
        if kept is None:
            continue
        try:
            original = original_of(kept, None)
        except TamperedError:
            continue
        stated = original.codes(ALGORITHM)
        share = min((image_code.difference(a, b) for a in stated for b in codes), default=1.0)
        if share * image_code.CODE_BITS <= chance.FURTHEST:
            label = f"{near.number}:{original.manifest.label}"
            found.append(Match(manifestId=label, similarityScore=round(100 * (1 - share))))
    return Matches(matches=tuple(sorted(found, key=lambda each: -each.similarityScore)))
