"""The decisions that a receipt or a file states, and what is known of whoever states them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from safegen.errors import InputError, TamperedError
from safegen.provenance.c2pa.claims import DECISION
from safegen.provenance.c2pa.manifest import read as read_manifest
from safegen.provenance.keys.trust import read_anchors, trust_in
from safegen.provenance.log.receipts import receipt_error
from safegen.provenance.media.formats import mime_of
from safegen.schemas.decision import Decision
from safegen.schemas.receipt import read_receipt
from safegen.storage import read
from safegen.verification.harm import require_harmless

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedDecisions:
    """What was stated.

    Attributes:
        decisions: in the order in which they were made.
        standing: how far the statement can be believed, in words.
    """

    decisions: tuple[Decision, ...]
    standing: str


def stated_decisions(path: Path, trust: Path | None) -> StatedDecisions:
    """Read the decisions in a receipt, or in the receipt or manifest of a file.

    Args:
        path: a receipt, or a file that was let out.
        trust: PEM roots of who may have signed it; without them nobody vouches for it.

    Raises:
        DataError: reading it does harm, which was tried in a process of its own.
        InputError: there is no decision in it.
        TamperedError: it was changed, or none of the roots stands behind it.
        StorageError: it cannot be read.
    """
    if path.suffix == ".json":
        return _of_receipt(path, trust)
    return _of_file(path, trust)


def _of_receipt(path: Path, trust: Path | None) -> StatedDecisions:
    try:
        receipt = read_receipt(read(path))
    except ValidationError as error:
        raise InputError(f"{path} is no receipt that can be read") from error
    if trust is None:
        standing = "Nothing was checked: --trust names the roots of who may have signed it."
        return StatedDecisions(decisions=receipt.decisions, standing=standing)
    problem = receipt_error(receipt, read_anchors(trust))
    if problem is not None:
        raise TamperedError(f"{path} does not stand: {problem}")
    standing = "The receipt stands: signed by somebody whom you trust, and led to by their log."
    return StatedDecisions(decisions=receipt.decisions, standing=standing)


def _of_file(path: Path, trust: Path | None) -> StatedDecisions:
    require_harmless(path)
    data = read(path)
    anchors = None if trust is None else trust_in(read_anchors(trust))
    manifest = read_manifest(data, mime_of(path, data), trust=anchors)
    if manifest.state == "Invalid":
        raise TamperedError(f"{path} is not what was signed; `safegen verify {path}` says why")
    if trust is not None and manifest.state != "Trusted":
        raise TamperedError(f"{path} was signed by {manifest.signer}, whom you do not trust")
    try:
        decisions = tuple(Decision.model_validate(each) for each in manifest.said(DECISION))
    except ValidationError as error:
        raise InputError(f"{path} states a decision that cannot be read") from error
    if not decisions:
        raise InputError(f"{path} states no decision; only what safegen let out does")
    standing = f"Signed by {manifest.signer}, and not changed since"
    standing += "." if trust else "; whether to trust them, nobody was asked (--trust)."
    return StatedDecisions(decisions=decisions, standing=standing)
