"""The slip that travels beside a released file: what was decided, explained and logged.

A receipt is signed by the same key as the file's manifest, so that it can be checked alone. Its
signature covers the canonical bytes of the receipt with `signature` set to null. Since its second
version it carries the signed head of the log that its proof leads to:

    {"format": "safegen.receipt/2", "file": "0001.png", "file_digest": "sha256:...", ...,
     "entry": {...}, "proof": {...}, "checkpoint": {...}, "signature": {...}}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter

from safegen.schemas.canonical import Record
from safegen.schemas.decision import Decision
from safegen.schemas.explanation import AnyExplanation
from safegen.schemas.log import InclusionProof, LogCheckpoint, LogEntry
from safegen.schemas.names import MAX_SEED
from safegen.schemas.signature import Signature


class _Slip(Record):
    """What receipts of every version say.

    Attributes:
        file: the file's name.
        file_digest: of the signed file, every byte of it.
        manifest: the label of the file's active C2PA manifest.
        model: the model package's digest.
        request: what was asked: purpose, label, seed and the place in the batch.
        decisions: at the request and at the release.
        explanation: the full record, of whatever version, whose digest the manifest carries.
        entry: the row appended to the ledger.
        proof: that the row is in the ledger.
        signature: over everything above; null only while it is being signed.
    """

    format: str
    file: str
    file_digest: str
    manifest: str
    model: str
    request: GenerationRequest
    decisions: Annotated[tuple[Decision, ...], Field(min_length=1)]
    explanation: Annotated[AnyExplanation, Field(discriminator="format")]
    entry: LogEntry
    proof: InclusionProof
    signature: Signature | None = None


class Receipt(_Slip):
    """Everything about one release that is not inside the file itself.

    Attributes:
        checkpoint: the signed head of the log that `proof` leads to.
    """

    format: Literal["safegen.receipt/2"] = "safegen.receipt/2"
    checkpoint: LogCheckpoint


class FirstReceipt(_Slip):
    """A receipt of the first version: nothing but its own signature speaks for its log's head."""

    format: Literal["safegen.receipt/1"] = "safegen.receipt/1"


class GenerationRequest(Record):
    """What was asked of the generator, enough to make the same sample again.

    Attributes:
        purpose: what the output is for, in the requester's words.
        label: the class that was asked for.
        label_name: its name.
        seed: of the whole batch.
        index: this output's place in the batch.
        count: the batch's size.
    """

    purpose: str
    label: NonNegativeInt
    label_name: str
    seed: Annotated[int, Field(ge=0, lt=MAX_SEED + 1)]
    index: NonNegativeInt
    count: PositiveInt


Receipt.model_rebuild()
FirstReceipt.model_rebuild()
AnyReceipt = Receipt | FirstReceipt
_ANY: TypeAdapter[AnyReceipt] = TypeAdapter(Annotated[AnyReceipt, Field(discriminator="format")])


def read_receipt(data: bytes) -> AnyReceipt:
    """A receipt of any version from its JSON.

    Raises:
        ValueError: it is none; pydantic's own error, with the key path.
    """
    return _ANY.validate_json(data)
