"""The append-only log of everything released: append, sign, prove, check.

Entries are rows; their hashes are the leaves of a Merkle tree whose complete subtrees are stored
beside them, so that appending and proving read a handful of rows however long the log is. Its
heads are signed: a head handed out once pins every entry before it, and no row can be edited,
removed or moved without that head failing afterwards. Each batch is signed for in its own
transaction, so that a row under no signed head is nobody's: it is not believed, and no later head
takes it in.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sql

from safegen.database import connect, connect_to_read, reading, writing
from safegen.errors import InputError, KeyMaterialError, SafegenError, TamperedError
from safegen.progress import Progress, silent
from safegen.provenance.keys.house import certificates, key_id
from safegen.provenance.keys.profile import name_of
from safegen.provenance.log import check as inspection
from safegen.provenance.log import checkpoints, merkle, originals, tables
from safegen.provenance.log.index import RecoveryIndex
from safegen.provenance.log.proofs import prove
from safegen.provenance.log.revocation import place_of
from safegen.provenance.log.snapshot import LogView
from safegen.provenance.log.taken_back import require_not_taken_back, revocations_of
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.log import ConsistencyProof, LogCheckpoint, LogEntry, LoggedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from safegen.provenance.keys.signer import Signer
    from safegen.provenance.log.originals import Original
    from safegen.provenance.log.taken_back import Named
    from safegen.schemas.log import InclusionProof, LogReport
    from safegen.schemas.revocation import Revocation, What


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What a batch of entries is given.

    Attributes:
        proofs: that each entry is in the log as it was after the batch; in order.
        checkpoint: the signed head that they lead to.
    """

    proofs: tuple[InclusionProof, ...]
    checkpoint: LogCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """What a log can say of one file.

    Attributes:
        origin: the log's own name; None for one of before logs had names.
        head: its last signed head; None when none was.
        logged: the file's first entry, proved to be under that head; None when it has none there.
        loose: number of the file's first row that is under no signed head, which is worth nothing;
            None when there is none.
    """

    origin: str | None
    head: LogCheckpoint | None
    logged: LoggedFile | None
    loose: int | None


class Ledger:
    """One log, in SQLite by default or in any database by URL.

    Attributes:
        index: of what it released, by what that looks like.
    """

    def __init__(self, location: str | Path, *, to_read: bool = False) -> None:
        """Open a log, or begin one.

        Args:
            location: the path of an SQLite file, or an SQLAlchemy URL.
            to_read: only look at it; then it must be there, and nothing is written.

        Raises:
            StorageError: it cannot be opened.
            TamperedError: it is of an earlier version, and rows are missing.
        """
        engine = connect_to_read(location) if to_read else connect(location, tables.tables)
        self._engine = engine
        weakref.finalize(self, engine.dispose)
        self._origin = None if to_read else tables.begin(engine)
        self._vouched: tuple[LogCheckpoint, bytes] | None = None
        self.index = RecoveryIndex(engine)

    @property
    def origin(self) -> str | None:
        """The log's own name; None for one of before logs had names, opened to read."""
        with self._view() as view:
            return view.origin

    def append(
        self,
        entries: Sequence[LogEntry],
        *,
        signer: Signer,
        in_force: Iterable[Named] = (),
        before_commit: Callable[[Appended], Sequence[Original] | None] | None = None,
    ) -> Appended:
        """Append entries in one transaction, prove that each is in the log, and sign its new head.

        Entries and head stay or go together, so that every row that was appended here is under a
        signed head; a row that is under none was put there by somebody else.

        Args:
            entries: in order.
            signer: signs the head after them.
            in_force: what they were made with, none of which the log may have taken back.
            before_commit: told what the batch will be given, when all but the commit is done; what
                it raises undoes the batch. Other writers wait for it. What it gives back is kept
                for recovery, in the same transaction.

        Raises:
            InputError: there are rows, and no head of the log was ever signed.
            KeyMaterialError: the log's last head was signed by somebody else.
            RevokedError: the log takes back something that they were made with.
            TamperedError: the log is not what its last head says, or rows came after it.
            StorageError: the database cannot be used. In each case nothing was appended.
        """
        data = [canonical_bytes(entry) for entry in entries]
        with writing(self._engine) as connection:
            view = LogView(connection=connection, origin=self._origin)
            first = view.size()
            last = self._require(view, signer)
            if last is not None:
                require_not_taken_back(view, last, in_force)
            rows = [
                {"number": first + place, "file_digest": entry.file_digest, "entry": each}
                for place, (entry, each) in enumerate(zip(entries, data, strict=True))
            ]
            tables.add_rows(connection, tables.entries, rows)
            leaves = [merkle.leaf_hash(each) for each in data]
            known = tables.add_nodes(connection, first, leaves)
            size = first + len(rows)
            head = _sign(view, size, tables.hash_of(known, (0, size)), signer)
            hash_of = functools.cache(functools.partial(tables.hash_of, known))
            proofs = tuple(prove(number, size, hash_of) for number in range(first, size))
            appended = Appended(proofs=proofs, checkpoint=head)
            kept = None if before_commit is None else before_commit(appended)
            if kept:
                originals.keep(connection, kept)
        self._vouched = (head, signer.chain)
        return appended

    def require(self, signer: Signer) -> None:
        """Find out before any work whether a signer may go on with this log.

        Raises:
            InputError: there are rows, and no head was ever signed.
            KeyMaterialError: its last head was signed by somebody else.
            TamperedError: the log is not what its last head says, or rows came after it.
        """
        with self._view() as view:
            self._require(view, signer)

    def checkpoint(self, signer: Signer, *, adopt: bool = False) -> LogCheckpoint:
        """Sign the present head, and keep it in the log.

        Args:
            signer: signs it.
            adopt: whether rows that are under no signed head become the signer's own; the keeper's
                decision, after a look at them.

        Raises:
            InputError: there are rows, and no head was ever signed.
            KeyMaterialError: the last head was signed by somebody else.
            TamperedError: the log is not what its last head says, or rows came after it; with
                `adopt`, something else is wrong with it.
            StorageError: nothing was written.
        """
        with writing(self._engine) as connection:
            view = LogView(connection=connection, origin=self._origin)
            self._require(view, signer, adopt=adopt)
            size = view.size()
            (root,) = view.hashes([(0, size)])
            return _sign(view, size, root, signer)

    def last_checkpoint(self) -> LogCheckpoint | None:
        """The last head that was signed; None when none was.

        Raises:
            TamperedError: its row is no checkpoint any more.
        """
        with self._view() as view:
            return view.last()

    def find(self, file_digest: str) -> tuple[LogEntry, InclusionProof] | None:
        """The first entry for a file's digest under the last signed head, with its proof.

        Returns:
            None when there is none; a row that is under no signed head is none.

        Raises:
            TamperedError: the entry's row was rewritten, or the log is not what its head says.
            StorageError: the log cannot be read.
        """
        logged = self.look_up(file_digest).logged
        return None if logged is None else (logged.entry, logged.proof)

    def look_up(self, file_digest: str) -> LookUp:
        """All that the log can say of a file.

        Raises:
            TamperedError: a row that it finds was rewritten, or the log is not what its last head
                says.
            StorageError: the log cannot be read.
        """
        with self._view() as view:
            head = view.last()
            if head is not None:
                view.require_holds(head)
            found = None if head is None else view.find(file_digest, head.tree_size)
            loose = view.first_after(file_digest, 0 if head is None else head.tree_size)
            return LookUp(
                origin=view.origin,
                head=head,
                logged=None
                if found is None or head is None
                else LoggedFile(entry=found[0], proof=found[1], checkpoint=head),
                loose=loose,
            )

    def revocation(self, what: What, identity: str) -> Revocation | None:
        """The first revocation of something under the last signed head; None when there is none.

        Args:
            what: a key, a model, a policy or an output.
            identity: a revocation's `id`.

        Raises:
            TamperedError: its row was rewritten, or the log is not what its last head says.
            StorageError: the log cannot be read.
        """
        found = self.find(place_of(what, identity))
        return None if found is None else found[0].revocation

    def taken_back(
        self, named: Sequence[Named]
    ) -> tuple[LogCheckpoint | None, tuple[Revocation, ...]]:
        """The last signed head, and what the log takes back of what is named, under it.

        Args:
            named: what each is, and its `id`.

        Raises:
            TamperedError: a row of one was rewritten, or the log is not what its last head says.
            StorageError: the log cannot be read.
        """
        with self._view() as view:
            head = view.last()
            if head is None:
                return None, ()
            view.require_holds(head)
            return head, revocations_of(view, head, named)

    def revocations(self) -> tuple[Revocation, ...]:
        """All revocations under the last signed head, in the order in which they were logged.

        Raises:
            TamperedError: a row of one was rewritten, or the log is not what its last head says.
            StorageError: the log cannot be read.
        """
        with self._view() as view:
            head = view.last()
            if head is None:
                return ()
            view.require_holds(head)
            found = []
            for digest in view.filed_as("revocation", head.tree_size):
                entry, _ = view.find(digest, head.tree_size) or (None, None)
                if entry is not None and entry.revocation is not None:
                    found.append(entry.revocation)
            return tuple(found)

    def find_under(self, file_digest: str, checkpoint: LogCheckpoint | None) -> LoggedFile | None:
        """The first entry for a file's digest, proved to be under a signed head.

        Args:
            file_digest: of every byte of the file.
            checkpoint: the head; the last one when None.

        Returns:
            The entry with its proof; None when the log has none, or had none at that head.

        Raises:
            InputError: no head was signed yet, or it is of another log.
            TamperedError: the log does not begin with what that head says.
        """
        with self._view() as view:
            head = checkpoint or view.last()
            if head is None:
                raise InputError(_UNSIGNED)
            view.require_holds(head)
            found = view.find(file_digest, head.tree_size)
        if found is None:
            return None
        return LoggedFile(entry=found[0], proof=found[1], checkpoint=head)

    def prove_consistency(
        self, earlier: LogCheckpoint, later: LogCheckpoint | None = None
    ) -> ConsistencyProof:
        """The proof that the log at a later head begins with what an earlier one says.

        Args:
            earlier: one head.
            later: the other; the log's last one when None.

        Raises:
            InputError: no head was signed yet, one is of another log, or the two are exchanged.
            TamperedError: the log does not begin with what one of them says.
        """
        with self._view() as view:
            head = later or view.last()
            if head is None:
                raise InputError(_UNSIGNED)
            for each in (earlier, head):
                view.require_holds(each)
            if head.tree_size < earlier.tree_size:
                raise InputError(
                    f"a log of {head.tree_size} entries cannot begin with one of "
                    f"{earlier.tree_size}; exchange --from and --at"
                )
            path = view.hashes(merkle.consistency_ranges(earlier.tree_size, head.tree_size))
        return ConsistencyProof(
            origin=head.origin,
            first_size=earlier.tree_size,
            second_size=head.tree_size,
            path=tuple(hashed.hex() for hashed in path),
        )

    def holds(self, proof: InclusionProof) -> bool:
        """Whether the stored tree still begins with the one that an earlier proof was made from.

        The rows under it are not read; `check` does that.
        """
        with self._view() as view:
            return view.root(proof.tree_size) == proof.root

    def check(
        self,
        *,
        anchors: bytes | None = None,
        earlier: Sequence[LogCheckpoint] = (),
        progress: Progress = silent,
    ) -> LogReport:
        """Compute the whole tree again from the rows, and compare all that was ever said of it.

        Args:
            anchors: PEM certificates of who may have signed its heads; None believes anybody.
            earlier: heads that were kept elsewhere.
            progress: told how far it is.

        Returns:
            The report, with every fault; none are raised.
        """
        with self._view() as view:
            return inspection.inspect(view, anchors=anchors, earlier=earlier, progress=progress)

    def rows(self, *, before: int) -> Iterator[bytes]:
        """The first entries in order, as the tree holds them: their canonical bytes.

        Args:
            before: how many.
        """
        with self._view() as view:
            for row in tables.in_order(view.connection, tables.entries, before=before):
                yield tables.as_bytes(row.entry)

    def rows_there(self) -> int:
        """How many rows lie there, whatever is wrong with them."""
        with self._view() as view:
            return view.rows()

    def __len__(self) -> int:
        with self._view() as view:
            return view.size()

    @contextlib.contextmanager
    def _view(self) -> Iterator[LogView]:
        with reading(self._engine) as connection:
            if self._origin is None:
                view = LogView.of(connection)
                self._origin = view.origin
            else:
                view = LogView(connection=connection, origin=self._origin)
            yield view

    def _require(
        self, view: LogView, signer: Signer, *, adopt: bool = False
    ) -> LogCheckpoint | None:
        """The log must be what its last head says, to its end, and that head the signer's own."""
        head = view.last()
        if adopt:
            inspection.require_adoptable(view)
        elif view.size() != (0 if head is None else head.tree_size):
            raise _unsigned_rows(head, view.size())
        if head is None:
            return None
        view.require_holds(head)
        _require_not_revoked(view, head, signer)
        if (head, signer.chain) != self._vouched and not checkpoints.follows(head, signer):
            raise KeyMaterialError(
                f"the ledger was last signed by {checkpoints.signed_by(head)}, whose certificates "
                "do not lead to the authority of the keys that were given; nothing was appended: "
                "use keys of that authority, or begin another ledger with --ledger"
            )
        self._vouched = (head, signer.chain)
        return head


def _require_not_revoked(view: LogView, head: LogCheckpoint, signer: Signer) -> None:
    """The log must not have taken back the key that is to sign."""
    leaf = certificates(signer.chain)[0]
    found = view.find(place_of("key", key_id(leaf)), head.tree_size)
    if found is not None and found[0].revocation is not None:
        taken_back = found[0].revocation
        raise KeyMaterialError(
            f"the key of {name_of(leaf)} is revoked since {taken_back.since} "
            f"({taken_back.reason}), as the ledger says; nothing was signed: use its successor"
        )


def _unsigned_rows(head: LogCheckpoint | None, size: int) -> SafegenError:
    """Rows that nobody signed for: of before heads were signed, or put in around the log."""
    way_out = (
        "look at them with `safegen ledger check`, and if they are yours, sign for them with "
        "`safegen ledger checkpoint --adopt`"
    )
    if head is None:
        return InputError(
            f"no head of this ledger was signed yet, and it has {size} entries that anybody may "
            f"have written; nothing was appended: {way_out}"
        )
    return TamperedError(
        f"the ledger has {size} entries and its last signed head only {head.tree_size}, so that "
        f"somebody else added to it from row {head.tree_size} on; nothing was appended: {way_out}"
    )


_UNSIGNED = (
    "no head of this ledger was signed yet; sign it with `safegen ledger checkpoint`, then prove"
)


def _sign(view: LogView, size: int, root: bytes, signer: Signer) -> LogCheckpoint:
    """Sign a head and keep it."""
    assert view.origin is not None
    head = checkpoints.sign_checkpoint(view.origin, size, root, signer)
    table = tables.checkpoints
    last = view.connection.execute(sql.select(sql.func.max(table.c.number))).scalar()
    number = 0 if last is None else int(last) + 1
    view.connection.execute(
        sql.insert(table).values(number=number, tree_size=size, checkpoint=canonical_bytes(head))
    )
    return head
