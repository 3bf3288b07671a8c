"""What a log can find again of what it released, when a copy has lost its manifest.

Where to look is in nobody's signature (`fingerprints`, `originals`); whoever asks looks at what is
found as it was signed (`verification.recovery`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from safegen.database import reading, writing
from safegen.errors import InputError
from safegen.provenance.log import fingerprints, originals, watermarks
from safegen.provenance.log.snapshot import LogView
from safegen.schemas.log import LoggedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import sqlalchemy as sql

    from safegen.provenance.log.fingerprints import Near
    from safegen.provenance.log.originals import Original

NO_INDEX = (
    "it has no index of fingerprints, because an earlier safegen wrote it; what is released into "
    "it from now on is found, and earlier files after `safegen ledger index`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Rows whose pictures look like one that was searched for; only where to look, not proof.

    Attributes:
        indexed: how many codes were searched.
        near: rows and how near each is, nearest first.
    """

    indexed: int
    near: tuple[Near, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a log has of one row, for whoever has lost the file.

    Attributes:
        logged: its entry, proved to be under the last signed head.
        manifest: the signed manifest store that was kept of it.
        receipt: its signed receipt, JSON.
    """

    logged: LoggedFile
    manifest: bytes = field(repr=False)
    receipt: bytes = field(repr=False)


class RecoveryIndex:
    """The index of one log."""

    def __init__(self, engine: sql.Engine) -> None:
        """Read and write through a log's own database."""
        self._engine = engine
        self._codes = fingerprints.Codes()

    def alike(self, codes: Sequence[bytes], *, within: int, most: int) -> Alike:
        """The rows whose fingerprints are nearest to any of some codes.

        Args:
            codes: 8 bytes each; several views of one picture.
            within: bits of 64 that may differ.
            most: rows that are told.

        Raises:
            InputError: the log has no index, because an earlier version wrote it.
            TamperedError: the index does not hold together.
            StorageError: the log cannot be read.
        """
        with reading(self._engine) as connection:
            if not fingerprints.is_indexed(connection):
                raise InputError(NO_INDEX)
            near = self._codes.nearest(connection, codes, within=within, most=most)
            return Alike(indexed=fingerprints.count(connection), near=near)

    def indexed(self) -> int:
        """How many codes there are."""
        with reading(self._engine) as connection:
            known = fingerprints.is_indexed(connection)
            return fingerprints.count(connection) if known else 0

    def kept(self, number: int) -> Kept | None:
        """What is kept of a row; None when nothing is, or no signed head has the row.

        Raises:
            TamperedError: the row or what is kept of it was rewritten, or the log is not what its
                last head says.
            StorageError: the log cannot be read.
        """
        with reading(self._engine) as connection:
            view = LogView.of(connection)
            head = view.last()
            if head is None:
                return None
            view.require_holds(head)
            found = view.numbered(number, head.tree_size)
            held = originals.kept(connection, number)
        if found is None or held is None:
            return None
        logged = LoggedFile(entry=found[0], proof=found[1], checkpoint=head)
        return Kept(logged=logged, manifest=held[0], receipt=held[1])

    def give_out(self, algorithm: str, bits: int, count: int) -> list[int]:
        """Random ids of marks that were never given out, and are now.

        Args:
            algorithm: of the marks.
            bits: of a payload.
            count: how many.

        Raises:
            StorageError: so many are not left, or nothing could be written.
        """
        with writing(self._engine) as connection:
            return watermarks.give_out(connection, algorithm, bits, count)

    def marked(self) -> dict[str, int]:
        """How many outputs carry marks, by algorithm."""
        with reading(self._engine) as connection:
            return watermarks.counts(connection) if watermarks.has_marks(connection) else {}

    def marks_of(self, algorithm: str, ids: Iterable[int] | None = None) -> dict[int, int]:
        """The rows of the outputs that carry some ids, or any; only where to look, not proof.

        Args:
            algorithm: of the marks.
            ids: which; None for all.

        Raises:
            StorageError: the log cannot be read.
        """
        with reading(self._engine) as connection:
            asked = watermarks.all_ids(connection, algorithm) if ids is None else ids
            return watermarks.rows_of(connection, algorithm, asked)

    def row_of(self, manifest: str) -> int | None:
        """The row whose manifest has that label; only where to look, not proof.

        Raises:
            StorageError: the log cannot be read.
        """
        with reading(self._engine) as connection:
            return originals.row_of(connection, manifest)

    def keep(self, found: Sequence[Original]) -> int:
        """Keep what was released before such things were kept; rows that have it are left alone.

        Args:
            found: of rows of this log, each looked at and believed.

        Returns:
            How many were added.

        Raises:
            StorageError: nothing was written.
        """
        with writing(self._engine) as connection:
            by_number = {each.number: each for each in found}
            new = [
                by_number[number]
                for number in sorted(by_number)
                if originals.kept(connection, number) is None
            ]
            originals.keep(connection, new)
        return len(new)
