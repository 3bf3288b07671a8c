"""C2PA's Soft Binding Resolution API, 1.1, as functions: a request's values in, a response's out.

    GET  /services/supportedAlgorithms   supported_algorithms()
    GET  /matches/byBinding              by_binding(...)     also POST, with the same values
    POST /matches/byContent              by_content(...)     the content's bytes
    GET  /manifests/{manifestId}         manifest(...)       application/c2pa

Names and defaults are those of the API's OpenAPI document, of C2PA's specification 2.4; its
optional `/matches/byReference` would fetch what a stranger names, and is not here. Whatever serves
these functions maps `InputError` to status 400, `DataError` to 415, None to 404 and `StorageError`
to 500. What is answered is believed as in `recover`: each manifest is read, and its own statement
compared, before it is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from safegen.errors import InputError, TamperedError
from safegen.modality import image_code
from safegen.schemas.canonical import Record
from safegen.verification.recovery import chance
from safegen.verification.recovery.originals import FINGERPRINT, original_of
from safegen.verification.recovery.recover import codes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.verification.evidence import Log

MOST = 10  # matches when nobody says how many
LARGEST_RESULT = 100  # matches, however many are asked for: each is read and checked


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
        manifestId: its label, to ask `/manifests/` for.
        endpoint: another service that has it; left out where it is this one, as here it always is.
        similarityScore: bits that agree, in per cent.
    """

    manifestId: str  # noqa: N815 - the API's own names
    endpoint: Annotated[str | None, Field(exclude_if=lambda there: there is None)] = None
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
    return SupportedAlgorithms(watermarks=(), fingerprints=(Algorithm(alg=FINGERPRINT),))


def by_binding(log: Log, *, alg: str, value: str, max_results: int = MOST) -> Matches:
    """Manifests whose soft binding is near to one.

    Args:
        log: the ledger.
        alg: C2PA's name of the algorithm.
        value: the code in base64, as in a manifest.
        max_results: matches to tell, at least 1 (`maxResults`); more than 100 are never told.

    Raises:
        InputError: the algorithm is not known here, or the value is none of it.
        TamperedError: the index does not hold together.
        StorageError: the ledger cannot be read.
    """
    return _matches(log, (_code(alg, value),), max_results)


def by_content(
    log: Log,
    content: bytes,
    *,
    alg: str = FINGERPRINT,
    max_results: int = MOST,
    hint_alg: str | None = None,
    hint_value: str | None = None,
) -> Matches:
    """Manifests whose soft binding is near to that of a file.

    Args:
        log: the ledger.
        content: the file.
        alg: C2PA's name of the algorithm to use.
        max_results: as above.
        hint_alg: the algorithm of a soft binding that the client has found itself (`hintAlg`); one
            that is not known here is no help, and no error.
        hint_value: what it found, in base64 (`hintValue`).

    Raises:
        DataError: no fingerprint can be taken of the content.
        InputError: the algorithm is not known here, or the hint is no value of it.
        TamperedError: the index does not hold together.
        StorageError: the ledger cannot be read.
    """
    _require_known(alg)
    hints = [] if hint_alg != FINGERPRINT or hint_value is None else [_code(hint_alg, hint_value)]
    return _matches(log, (*codes_of(content), *hints), max_results)


def manifest(log: Log, manifest_id: str) -> Store | None:
    """The manifest store whose active manifest has a label; None when the ledger has none such.

    Args:
        log: the ledger.
        manifest_id: the label, `urn:c2pa:...`. The whole store is given (`returnActiveManifest` is
            false): the active manifest alone would be without its model's.

    Raises:
        TamperedError: what is kept is not what was signed.
        StorageError: the ledger cannot be read.
    """
    row = log.index.row_of(manifest_id)
    kept = None if row is None else log.index.kept(row)
    if kept is None or original_of(kept, None).manifest.label != manifest_id:
        return None
    return Store(content=kept.manifest)


def _require_known(alg: str) -> None:
    if alg != FINGERPRINT:
        raise InputError(f"no algorithm {alg!r} is known here; ask by {FINGERPRINT}")


def _code(alg: str, value: str) -> bytes:
    _require_known(alg)
    code = image_code.decode(value)
    if code is None:
        raise InputError(f"the value is no code of {FINGERPRINT}: give 8 bytes in base64")
    return code


def _matches(log: Log, codes: Sequence[bytes], max_results: int) -> Matches:
    if max_results < 1:
        raise InputError(f"maxResults is {max_results}; ask for at least one match")
    found = []
    most = min(max_results, LARGEST_RESULT)
    for near in log.index.alike(codes, within=chance.FURTHEST, most=most).near:
        kept = log.index.kept(near.number)
        if kept is None:
            continue
        try:
            original = original_of(kept, None)
        except TamperedError:
            continue
        stated = original.codes(FINGERPRINT)
        share = min((image_code.difference(a, b) for a in stated for b in codes), default=1.0)
        if share * image_code.CODE_BITS <= chance.FURTHEST:
            score = round(100 * (1 - share))
            found.append(Match(manifestId=original.manifest.label, similarityScore=score))
    return Matches(matches=tuple(sorted(found, key=lambda each: -each.similarityScore)))
