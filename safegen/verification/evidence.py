"""What the steps of verification look at: the file, its manifest, and what lies beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from safegen.schemas.canonical import sha256
from safegen.schemas.names import CERTIFICATE, CONFIG, WEIGHTS, receipt_beside
from safegen.schemas.receipt import read_receipt
from safegen.verification.discovery import UnfitFileError, content_of
from safegen.verification.numbers import numbers_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.keys.trust import Trust
    from safegen.provenance.log.index import RecoveryIndex
    from safegen.provenance.log.ledger import LookUp
    from safegen.provenance.log.revocation import BelievedList
    from safegen.provenance.log.taken_back import Named
    from safegen.schemas.log import InclusionProof, LogCheckpoint
    from safegen.schemas.receipt import AnyReceipt
    from safegen.schemas.revocation import Revocation

MAX_RECEIPT_BYTES = 2**22  # bytes; a receipt has some ten thousand


class Log(Protocol):
    """What a step asks of a ledger."""

    def look_up(self, file_digest: str) -> LookUp:
        """All that it can say of a file."""
        ...

    def holds(self, proof: InclusionProof) -> bool:
        """Whether the log still begins with the tree of an earlier proof."""
        ...

    @property
    def origin(self) -> str | None:
        """Its own name."""
        ...

    @property
    def index(self) -> RecoveryIndex:
        """What it can find again of what it released."""
        ...

    def taken_back(
        self, named: Sequence[Named]
    ) -> tuple[LogCheckpoint | None, tuple[Revocation, ...]]:
        """Its last head, and what it takes back of what is named."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLog:
    """A log as people name it, without a password that may be in its URL."""

    name: str
    log: Log


@dataclass(frozen=True, kw_only=True)  # no slots: the digest is computed once, when it is asked for
class Evidence:
    """Everything that the steps look at.

    Attributes:
        data: the whole file.
        manifest: its active manifest, as C2PA validated it.
        beside: the file that holds the manifest; None where that is in the file itself.
        trust: the lists that were given, or None.
        ledgers: the logs to look it up in.
        receipt: the one beside the file, or None.
        receipt_problem: why what lies there is no receipt, or what belongs to it is not what it
            says; None when all is well, or nothing lies there.
        package: the files of a model package by their part, or none.
        strict: whether what others only warn of counts as failed.
        released: whether it fails when nothing shows that it was released.
        revoked: revocation lists, all believed.
    """

    data: bytes
    manifest: Manifest
    beside: Path | None
    trust: Trust | None
    ledgers: tuple[NamedLog, ...]
    receipt: AnyReceipt | None
    receipt_problem: str | None
    package: Mapping[str, Path]
    strict: bool = False
    released: bool = False
    revoked: tuple[BelievedList, ...] = ()

    @property
    def anchors(self) -> bytes | None:
        """The roots of signers in PEM; None when no list of signers was given."""
        return None if self.trust is None or not self.trust.signers else self.trust.anchors

    @property
    def log_anchors(self) -> bytes | None:
        """The roots of those who may vouch for logs and receipts; None when none was given."""
        if self.trust is None or not (self.trust.signers or self.trust.witnesses):
            return None
        return self.trust.anchors + self.trust.witness_anchors

    @cached_property
    def digest(self) -> str:
        """Of the whole file, every byte of it."""
        return sha256(self.data)


def receipt_of(path: Path) -> tuple[AnyReceipt | None, str | None]:
    """The receipt beside a file, and why there is none where one should be, or it does not hold.

    `0001.jpg`, made from `0001.png` and laid beside it, has no part in that one's receipt.
    """
    try:
        receipt = read_receipt(content_of(receipt_beside(path), MAX_RECEIPT_BYTES))
        if _is_anothers(receipt, path):
            return None, None
        return receipt, numbers_error(path, receipt.explanation)
    except FileNotFoundError:
        return None, None
    except UnfitFileError as error:
        if error.too_large:
            return None, "it is larger than any receipt"
        return None, "it cannot be read"
    except (ValueError, RecursionError):
        return None, "it cannot be read"


def _is_anothers(receipt: AnyReceipt, path: Path) -> bool:
    """Whether a receipt names another file that lies there too and shares its name's stem."""
    other = path.with_name(Path(receipt.file).name)
    return (
        other.name != path.name
        and receipt_beside(other) == receipt_beside(path)
        and os.path.isfile(other)  # noqa: PTH113 - never raises, whatever the name
    )


def package_files(path: Path) -> dict[str, Path]:
    """The files that a model's manifest speaks of beside its weights."""
    if path.name != WEIGHTS:
        return {}
    return {
        "weights": path,
        "config": path.with_name(CONFIG),
        "certificate": path.with_name(CERTIFICATE),
    }
