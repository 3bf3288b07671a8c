"""The rows of a log, hashed again one by one and held against the tree that was stored over them.

The stored tree tells more than that something is wrong: where what belongs to the first faulty row
stands now, and where what stands there came from, tell an edited row from one that was removed,
moved or put in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from safegen.provenance.log import merkle, tables
from safegen.provenance.log.tables import HASH_BYTES, as_bytes
from safegen.schemas.log import LogEntry, LogFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sql

    from safegen.provenance.log.snapshot import LogView
    from safegen.schemas.log import FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One number of the log, with what stands there; None where nothing does.

    Attributes:
        number: 0-based.
        file_digest: that the entry is filed under.
        entry: its bytes.
        hashes: what the stored tree holds there.
    """

    number: int
    file_digest: str | None = None
    entry: bytes | None = None
    hashes: bytes | None = None


def iter_rows(view: LogView) -> Iterator[LogRow]:
    """Every number that has an entry or a stored hash, in order, and the first of each gap."""
    rows = tables.in_order(view.connection, tables.entries)
    row = next(rows, None)
    if view.origin is None:  # of before trees were stored: there is nothing to hold it against
        hashed: Iterator[sql.Row[Any]] = iter(())
    else:
        hashed = tables.in_order(view.connection, tables.nodes)
    node, expected = next(hashed, None), 0
    while row is not None or node is not None:
        number = min(each.number for each in (row, node) if each is not None)
        if number > expected:
            yield LogRow(number=expected)
        file_digest = entry = hashes = None
        if row is not None and row.number == number:
            file_digest, entry = row.file_digest, as_bytes(row.entry)
            row = next(rows, None)
        if node is not None and node.number == number:
            hashes = as_bytes(node.hashes)
            node = next(hashed, None)
        yield LogRow(number=number, file_digest=file_digest, entry=entry, hashes=hashes)
        expected = number + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Faulty:
    """The first row that is not what the stored tree holds.

    Attributes:
        row: its number.
        belongs: the leaf hash that the tree holds there; None when it holds none.
        stands: the leaf hash of what stands there; None when nothing does.
    """

    row: int
    belongs: bytes | None
    stands: bytes | None


@dataclass(slots=True, kw_only=True)
class TreeDiagnosis:
    """What is learnt on the way through the rows.

    Attributes:
        wanted: sizes at which the root is of interest.
        has_tree: whether a tree is stored beside the rows.
        size: how many entries were seen.
        roots: the hash over the first rows, in hex, by size.
    """

    wanted: frozenset[int]
    has_tree: bool
    size: int = 0
    roots: dict[int, str] = field(default_factory=dict)
    _frontier: list[bytes] = field(default_factory=list)
    _faulty: _Faulty | None = None
    _disagree: int = 0
    _belongs_now_at: int | None = None
    _stood_before_at: int | None = None
    _only_its_hash: bool = False
    _tree_edited_at: int | None = None
    _misfiled: int | None = None

    def feed(self, place: LogRow) -> None:
        """Look at the next number."""
        leaf = None if place.entry is None else merkle.leaf_hash(place.entry)
        completed: list[bytes] = []
        if leaf is not None:
            self._note_root()
            completed = merkle.grow(self._frontier, self.size, leaf)
            self.size += 1
            if self._misfiled is None and not _is_filed(place):
                self._misfiled = place.number
        if self.has_tree or leaf is None:
            self._compare(place, leaf, completed)

    def end(self) -> str:
        """The root over all rows, in hex."""
        self._note_root()
        return merkle.fold(self._frontier).hex()

    def faults(self) -> Iterator[LogFault]:
        """What is wrong with the rows and the tree over them; the first of each kind."""
        if self._faulty is not None:
            kind, text = self._diagnosis(self._faulty)
            others = self._disagree - 1
            more = f" ({others} more disagree with the stored tree)" if others else ""
            yield LogFault(kind=kind, row=self._faulty.row, text=f"{text}{more}")
        if self._tree_edited_at is not None:
            row = self._tree_edited_at
            text = f"the stored tree was edited at row {row}; the entries up to there are whole"
            yield LogFault(kind="tree", row=row, text=text)
        misfiled = self._misfiled
        if misfiled is not None and (self._faulty is None or misfiled != self._faulty.row):
            text = f"row {misfiled} is filed under another file's digest than its entry's"
            yield LogFault(kind="refiled", row=misfiled, text=text)

    def _note_root(self) -> None:
        if self.size in self.wanted:
            self.roots[self.size] = merkle.fold(self._frontier).hex()

    def _compare(self, place: LogRow, leaf: bytes | None, completed: list[bytes]) -> None:
        stored = place.hashes
        belongs = None if stored is None else stored[:HASH_BYTES]
        if belongs is None or leaf != belongs:
            self._disagree += 1
            if self._faulty is None:
                self._faulty = _Faulty(row=place.number, belongs=belongs, stands=leaf)
        if self._faulty is None:
            if stored != b"".join(completed) and self._tree_edited_at is None:
                self._tree_edited_at = place.number
            return
        if place.number != self._faulty.row:
            self._seek(self._faulty, place.number, leaf, belongs)
        for level, hashed in enumerate(completed):
            over = place.number >> level == self._faulty.row >> level
            if (
                level
                and over
                and (stored or b"")[HASH_BYTES * level : HASH_BYTES * (level + 1)] == hashed
            ):
                self._only_its_hash = True  # what is stored further up fits the row as it is

    def _seek(
        self, faulty: _Faulty, number: int, leaf: bytes | None, belongs: bytes | None
    ) -> None:
        """Whether what belongs to the faulty row stands here, or what stands there belongs here."""
        if leaf is not None and leaf == faulty.belongs and self._belongs_now_at is None:
            self._belongs_now_at = number
        if belongs is not None and belongs == faulty.stands and self._stood_before_at is None:
            self._stood_before_at = number

    def _diagnosis(self, faulty: _Faulty) -> tuple[FaultKind, str]:
        """What was done to the first faulty row, as far as the others tell."""
        row, to, since = faulty.row, self._belongs_now_at, self._stood_before_at
        if self._only_its_hash:
            return "tree", f"the stored hash of row {row} was edited; its entry is whole"
        if faulty.stands is not None and faulty.belongs is None:
            return "inserted", f"row {row} was put in around the log: the tree holds none there"
        said: tuple[FaultKind, str]
        match to, since, faulty.stands:
            case int(), None, bytes():
                said = "inserted", f"was put in between: what belongs there is row {to} now"
            case int(), _, _:
                said = "moved", f"was moved: it is row {to} now"
            case None, int(), _:
                said = "removed", f"was removed: what was row {since} stands there now"
            case None, None, None:
                said = "removed", "was removed"
            case _:
                said = "edited", "was edited: its entry is not the one that the tree holds"
        return said[0], f"row {row} {said[1]}"


def _is_filed(place: LogRow) -> bool:
    """Whether an entry lies under its own file's digest."""
    try:
        return LogEntry.model_validate_json(place.entry or b"").file_digest == place.file_digest
    except ValidationError:
        return False
