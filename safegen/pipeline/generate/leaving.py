"""The moment at which outputs leave: one transaction of the log, and the receipts that follow."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from safegen.pipeline.generate.shown import html_of
from safegen.provenance.log.originals import Original
from safegen.provenance.log.receipts import sign_receipt
from safegen.schemas.canonical import digest, sha256
from safegen.schemas.log import LogEntry
from safegen.schemas.receipt import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from safegen.errors import Refused
    from safegen.pipeline.generate.signing import Sealed
    from safegen.provenance.c2pa.manifest import Manifest
    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.log.ledger import Appended, Ledger
    from safegen.provenance.log.taken_back import Named
    from safegen.schemas.decision import Decision
    from safegen.schemas.log import InclusionProof

_PNG = b"\x89PNG\r\n\x1a\n"  # a file's first bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One released file.

    Attributes:
        name: of the file.
        data: the file, with its manifest in it where its kind of data embeds one.
        beside: otherwise the manifest's own file, which is written beside it; None where the
            manifest is embedded.
        figure: the signed picture of its explanation; None where only a summary was asked for.
        attributions: its explanation's numbers, (regions, latents + 1), float32, the label last.
        receipt: what was decided, explained and logged.
        manifest: as it was read back from the signed file.
    """

    name: str
    data: bytes = field(repr=False)
    figure: bytes | None = field(repr=False)
    attributions: NDArray[np.float32] = field(repr=False)
    receipt: Receipt = field(repr=False)
    manifest: Manifest = field(repr=False)
    beside: bytes | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return html_of(self)

    def _repr_png_(self) -> bytes | None:
        """The file itself for whoever shows pictures and no pages; None unless it is a PNG."""
        return self.data if self.data.startswith(_PNG) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What is needed to let sealed outputs go.

    Attributes:
        sealed: signed files and figures, not logged yet.
        admission: the decision on their request.
        model: the model's digest.
        policy: the policy's digest.
        made_with: what must not be revoked when they leave: the model, and each policy.
        signer: who signs the log's head and the receipts.
        ledger: the log.
    """

    sealed: tuple[Sealed, ...] = field(repr=False)
    admission: Decision = field(repr=False)
    model: str
    policy: str
    made_with: tuple[Named, ...]
    signer: Signer
    ledger: Ledger

    @property
    def embeds(self) -> bool:
        """Whether manifests lie in the files, and not beside them."""
        return all(item.beside is None for item in self.sealed)

    @property
    def digests(self) -> tuple[str, ...]:
        """Of every file that the log is told of: outputs first, then pictures of explanations."""
        figures = [item.figure for item in self.sealed if item.figure is not None]
        return tuple(map(sha256, [*(item.data for item in self.sealed), *figures]))

    def log(
        self, before_commit: Callable[[tuple[Output, ...]], None] | None = None
    ) -> tuple[Output, ...]:
        """Append outputs and figures in one transaction, and sign each output's receipt in it.

        Args:
            before_commit: told of the outputs when all but the commit is done; what it raises
                undoes the transaction.

        Raises:
            KeyMaterialError: the log is somebody else's, or nothing could be signed.
            RevokedError: the model or a policy was revoked since they were made.
            StorageError: the log cannot be written; it has nothing of this.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entries = [
            LogEntry(
                kind="output" if place < len(self.sealed) else "explanation",
                file_digest=each,
                model_digest=self.model,
                policy_digest=self.policy,
                time=now,
            )
            for place, each in enumerate(self.digests)
        ]
        outputs: list[Output] = []

        def prepare(appended: Appended) -> Sequence[Original]:
            outputs.extend(self._outputs(entries, appended))
            if before_commit is not None:
                before_commit(tuple(outputs))
            return list(map(_original, self.sealed, outputs))

        self.ledger.append(
            entries, signer=self.signer, in_force=self.made_with, before_commit=prepare
        )
        return tuple(outputs)

    def _outputs(self, entries: list[LogEntry], appended: Appended) -> list[Output]:
        """Every output with its receipt; signed side by side, as the files were."""
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as workers:
            return list(
                workers.map(
                    lambda item, entry, proof: self._output(item, entry, proof, appended),
                    self.sealed,
                    entries[: len(self.sealed)],
                    appended.proofs[: len(self.sealed)],
                )
            )

    def _output(
        self, item: Sealed, entry: LogEntry, proof: InclusionProof, appended: Appended
    ) -> Output:
        receipt = Receipt(
            file=item.sample.name,
            file_digest=entry.file_digest,
            manifest=item.manifest.label,
            model=self.model,
            request=item.sample.request,
            decisions=(self.admission, item.sample.decision),
            explanation=item.sample.explanation.record,
            entry=entry,
            proof=proof,
            checkpoint=appended.checkpoint,
        )
        return Output(
            name=item.sample.name,
            data=item.data,
            beside=item.beside,
            figure=item.figure,
            attributions=item.sample.explanation.attributions,
            receipt=sign_receipt(receipt, self.signer),
            manifest=item.manifest,
        )


def _original(item: Sealed, output: Output) -> Original:
    """What the log keeps, so that a copy without its manifest leads back to it."""
    mark = item.sample.watermark
    return Original(
        number=output.receipt.proof.index,
        code=item.fingerprint,
        label=item.manifest.label,
        manifest=item.manifest.store if item.beside is None else item.beside,
        receipt=output.receipt.model_dump_json().encode(),
        mark=None if mark is None else (mark.algorithm, mark.id),
    )


def log_refusal(refused: Refused, model: str, signer: Signer, ledger: Ledger) -> None:
    """Tell the log that a request was refused: by which policy, for which model, and no more.

    Raises:
        SafegenError: it cannot be logged.
    """
    entry = LogEntry(
        kind="refused",
        file_digest=digest(refused.decision),
        model_digest=model,
        policy_digest=refused.decision.policy_digest,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    ledger.append([entry], signer=signer)
