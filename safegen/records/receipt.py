"""The slip that travels beside a released file: what was decided, explained and logged.

A receipt is signed by the same key as the file's manifest, so that it can be checked alone. Its
signature covers the canonical bytes of the receipt with `signature` set to null.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from safegen.records.canonical import Record
from safegen.records.decision import Decision
from safegen.records.explanation import Explanation
from safegen.records.signature import Signature


class LogEntry(Record):
    """One row of the ledger; its canonical bytes are the leaf of the Merkle tree.

    Attributes:
        kind: what left: a model, an output, an explanation's picture, an edited file that was
            signed, or raw samples that nothing marks.
        file_digest: of every byte of it.
        model_digest: the model's name; null for a file that no model here made.
        policy_digest: the policy that allowed it; null where none was asked.
        note: why raw samples were taken; absent otherwise.
        time: ISO 8601, in UTC.
    """

    format: Literal["safegen.log-entry/1"] = "safegen.log-entry/1"
    kind: Literal["model", "output", "explanation", "edited", "unsafe_sample"]
    file_digest: str
    model_digest: str | None
    policy_digest: str | None
    note: Annotated[str | None, Field(exclude_if=lambda note: note is None)] = None
    time: str


class InclusionProof(Record):
    """Proof that an entry is in a ledger of `tree_size` entries with this root (RFC 9162, 2.1.3).

    Attributes:
        index: 0-based place of the entry.
        tree_size: how many entries the tree had.
        root: hex of the Merkle tree hash.
        path: hex of the sibling hashes, from the leaf upwards.
    """

    index: NonNegativeInt
    tree_size: PositiveInt
    root: str
    path: tuple[str, ...]


class Receipt(Record):
    """Everything about one release that is not inside the file itself.

    Attributes:
        file: the file's name.
        file_digest: of the signed file, every byte of it.
        manifest: the label of the file's active C2PA manifest.
        model: the model package's digest.
        request: what was asked: purpose, label, seed and the place in the batch.
        decisions: at the request and at the release.
        explanation: the full record whose digest the manifest carries.
        entry: the row appended to the ledger.
        proof: that the row is in the ledger.
        signature: over everything above; null only while it is being signed.
    """

    format: Literal["safegen.receipt/1"] = "safegen.receipt/1"
    file: str
    file_digest: str
    manifest: str
    model: str
    request: GenerationRequest
    decisions: Annotated[tuple[Decision, ...], Field(min_length=1)]
    explanation: Explanation
    entry: LogEntry
    proof: InclusionProof
    signature: Signature | None = None


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
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    index: NonNegativeInt
    count: PositiveInt


Receipt.model_rebuild()
