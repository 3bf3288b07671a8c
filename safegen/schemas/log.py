"""What the log of releases holds and hands out: entries, signed heads, proofs, reports.

A checkpoint is the head of the log at one moment, signed by whoever keeps it:

    {"format": "safegen.log-checkpoint/1", "origin": "urn:uuid:6f0d...", "tree_size": 41,
     "root": "b190bf0f...", "time": "2026-11-20T12:21:05+00:00", "signature": {...}}

Its signature covers the canonical bytes of the checkpoint with `signature` set to null.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from safegen.schemas.canonical import Record
from safegen.schemas.revocation import Revocation
from safegen.schemas.signature import Signature

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FaultKind = Literal[
    "edited", "removed", "moved", "inserted", "refiled", "tree", "cut", "checkpoint", "unsigned"
]


EntryKind = Literal[
    "model", "output", "explanation", "edited", "unsafe_sample", "refused", "revocation"
]


class LogEntry(Record):
    """One row of the ledger; its canonical bytes are the leaf of the Merkle tree.

    Attributes:
        kind: what left: a model, an output, an explanation's picture, an edited file that was
            signed, or raw samples that nothing marks. Or what did not: a request that the policy
            refused, and a revocation of what left before.
        file_digest: of every byte of it; of a refused request, of the canonical bytes of the
            Decision, which name the policy and its rules and nothing of what was asked; of a
            revocation, of the canonical bytes of its `what` and `id`.
        model_digest: the model's name; null for a file that no model here made.
        policy_digest: the policy that allowed it; null where none was asked.
        note: why raw samples were taken; absent otherwise.
        revocation: what is taken back; absent otherwise.
        time: ISO 8601, in UTC.
    """

    format: Literal["safegen.log-entry/1"] = "safegen.log-entry/1"
    kind: EntryKind
    file_digest: str
    model_digest: str | None
    policy_digest: str | None
    note: Annotated[str | None, Field(exclude_if=lambda note: note is None)] = None
    revocation: Annotated[Revocation | None, Field(exclude_if=lambda given: given is None)] = None
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


class LogCheckpoint(Record):
    """The head of a log at one moment, signed.

    Attributes:
        origin: the log's own name, drawn when it was begun; two logs never share one.
        tree_size: how many entries it had.
        root: hex of the Merkle tree hash over them.
        time: when it was signed; ISO 8601, UTC.
        signature: over everything above; null only while it is being signed.
    """

    format: Literal["safegen.log-checkpoint/1"] = "safegen.log-checkpoint/1"
    origin: str
    tree_size: NonNegativeInt
    root: Hash
    time: str
    signature: Signature | None = None


class ConsistencyProof(Record):
    """Proof that a log of `second_size` entries begins with that of `first_size` (RFC 9162, 2.1.4).

    It is checked against the checkpoints of both sizes.

    Attributes:
        origin: the log's own name.
        first_size: entries of the earlier tree.
        second_size: entries of the later tree.
        path: hex of the hashes that lead from the one root to the other.
    """

    format: Literal["safegen.consistency-proof/1"] = "safegen.consistency-proof/1"
    origin: str
    first_size: NonNegativeInt
    second_size: NonNegativeInt
    path: tuple[Hash, ...]


class LoggedFile(Record):
    """That a file is in the log, for whoever has no receipt of it.

    Attributes:
        entry: the file's row.
        proof: that the row is under the checkpoint's root.
        checkpoint: the signed head that the proof leads to.
    """

    format: Literal["safegen.logged-file/1"] = "safegen.logged-file/1"
    entry: LogEntry
    proof: InclusionProof
    checkpoint: LogCheckpoint


class LogFault(Record):
    """One thing that is wrong with a log.

    Attributes:
        kind: what was done, as far as it can be told.
        row: 0-based number of the first row that it concerns, or None.
        text: the same in words.
    """

    kind: FaultKind
    row: int | None
    text: str


class LogReport(Record):
    """What checking a whole log found: the answer of `safegen ledger check --json`.

    Attributes:
        origin: the log's own name; None for one of before logs had names.
        entries: how many rows there are.
        root: hex of the Merkle tree hash over them, computed again from the rows.
        checkpoints: how many stored heads were compared.
        signatures_checked: whether their signatures were held against a list of trust.
        faults: everything that is wrong; none when the log is sound.
    """

    origin: str | None
    entries: NonNegativeInt
    root: Hash
    checkpoints: NonNegativeInt
    signatures_checked: bool
    faults: tuple[LogFault, ...]
