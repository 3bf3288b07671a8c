"""Files that lie in their folder exactly when the log has them, whatever happens in between.

    1. Reserve: the folder is there, ours alone for the while, and holds none of these names.
    2. Stage: every file whole and synced, in a hidden folder beside the place where it will lie.
    3. Log, in one transaction. Before it commits, what follows from the log (receipts) is staged as
       well, and a journal says which file goes where.
    4. Place: each file gets its name; the folders are synced; the hidden folder goes.

The commit is the moment at which everything leaves. What is cut off before it leaves a hidden
folder whose files the log does not have, and `settle` drops it; after it, `settle` goes on with 4.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from safegen import storage
from safegen.database import InDoubtError
from safegen.errors import SafegenError, StorageError
from safegen.schemas.canonical import Record, sha256

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from safegen.provenance.log.ledger import Ledger

HIDDEN_PREFIX = ".safegen-"  # how the hidden folders' names begin
JOURNAL_NAME = "journal.json"
WRITERS = 16  # that wait for the disk at once


class Placing(Record):
    """One staged file.

    Attributes:
        staged: what it is called in the hidden folder.
        name: where it goes, below the folder.
        digest: of its bytes.
        over: digest of the file that it may replace; null when nothing may be there.
    """

    staged: str
    name: str
    digest: str
    over: str | None = None


class Journal(Record):
    """What goes where once the log has it.

    Attributes:
        origin: the log's own name.
        logged: digests that the log has if, and only if, these files have left.
        files: in the order in which they are placed.
    """

    format: Literal["safegen.placing/1"] = "safegen.placing/1"
    origin: str
    logged: tuple[str, ...]
    files: tuple[Placing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What earlier work, cut off in the middle, has left in a folder.

    Attributes:
        placed: files that the log had, and that lie in their places now.
        foreign: hidden folders of another ledger or version, left as they are.
    """

    placed: tuple[Path, ...]
    foreign: tuple[Path, ...]


@contextlib.contextmanager
def reserved(folder: Path, ledger: Ledger) -> Iterator[None]:
    """Have a folder for oneself, with whatever was cut off there before settled.

    Folders that had to be made are gone again when nothing comes to lie in them.

    Raises:
        StorageError: it cannot be made or written.
    """
    storage.require_writable(folder)
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    storage.make_folder(folder)
    try:
        with storage.exclusive_lock(folder):
            settle(folder, ledger)
            yield
    except BaseException:
        _drop_empty(missing)
        raise


@dataclass(slots=True, kw_only=True)
class Stage:
    """Files that wait to be placed.

    Attributes:
        folder: where they will lie.
        place: the hidden folder where they lie now.
        files: what was added.
        complete: whether the journal is written, so that the log alone decides what becomes of it.
    """

    folder: Path
    place: Path
    files: list[Placing] = field(default_factory=list)
    complete: bool = False

    def add(self, name: str, data: bytes, *, mode: int = 0o644, over: str | None = None) -> None:
        """Stage a file, down to the disk.

        Raises:
            StorageError: there is no room.
        """
        staged = str(len(self.files))
        path, becoming = self.place / staged, self.folder / name
        storage.write_new(path, data, mode=mode, becoming=becoming)
        self.files.append(Placing(staged=staged, name=name, digest=sha256(data), over=over))

    def add_all(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Stage several files side by side: the disk syncs many as quickly as one.

        Raises:
            StorageError: there is no room.
        """
        numbers = range(len(self.files), len(self.files) + len(files))
        with ThreadPoolExecutor(max_workers=WRITERS) as writers:
            self.files += writers.map(self._staged, numbers, files)

    def _staged(self, number: int, file: tuple[str, bytes]) -> Placing:
        name, data = file
        storage.write_new(self.place / str(number), data, becoming=self.folder / name)
        return Placing(staged=str(number), name=name, digest=sha256(data))

    def finish(self, origin: str, logged: Sequence[str], *, last: Collection[str] = ()) -> None:
        """Write the journal, last of all files, and make the folders that will be needed.

        Args:
            origin: the log's own name.
            logged: digests that it has once it commits.
            last: names of what is placed after all else, so that it never lies there alone.

        Raises:
            StorageError: there is no room.
        """
        self.files.sort(key=lambda file: file.name in last)
        journal = Journal(origin=origin, logged=tuple(logged), files=tuple(self.files))
        storage.write_new(self.place / JOURNAL_NAME, journal.model_dump_json().encode())
        self.complete = True
        storage.sync_folder(self.place)
        self._make_folders()

    def release(self) -> None:
        """Give every file its name; only for what the log has.

        Raises:
            StorageError: something lies in the way, or the disk is full; what is not placed stays.
        """
        self._make_folders()  # a crash may have come between the journal and these
        for file in self.files:
            staged, target = self.place / file.staged, self.folder / file.name
            if staged.exists():  # or it was placed before
                _require_free(target, file)
                storage.rename(staged, target)
        for folder in self._folders:
            storage.sync_folder(folder)
        storage.drop_folder(self.place)

    def drop(self) -> None:
        """Nothing of it leaves."""
        storage.drop_folder(self.place)
        _drop_empty(self._folders - {self.folder})

    def _make_folders(self) -> None:
        for folder in self._folders:
            storage.make_folder(folder)
        storage.sync_folder(self.folder)

    @property
    def _folders(self) -> set[Path]:
        return {(self.folder / file.name).parent for file in self.files}


@contextlib.contextmanager
def staged(folder: Path, ledger: Ledger) -> Iterator[Stage]:
    """A stage in a reserved folder; when anything fails, the log decides what becomes of it.

    Raises:
        StorageError: there is no room.
    """
    stage = Stage(folder=folder, place=storage.make_hidden(folder, HIDDEN_PREFIX))
    try:
        yield stage
    except InDoubtError:  # the log may have it: `settle` will see
        raise
    except BaseException:
        if stage.complete:
            with contextlib.suppress(SafegenError):
                settle(folder, ledger)
        else:
            stage.drop()
        raise


def settle(folder: Path, ledger: Ledger) -> Settled:
    """Finish or drop what was cut off in a folder that one has for oneself.

    Raises:
        StorageError: what the log has cannot be placed.
    """
    placed: list[Path] = []
    foreign: list[Path] = []
    for place in sorted(folder.glob(f"{HIDDEN_PREFIX}*")):
        if place.is_symlink() or not place.is_dir():
            continue
        if not (place / JOURNAL_NAME).exists():  # cut off before the log was asked
            storage.drop_folder(place)
            continue
        stage = _read(folder, place, ledger)
        if stage is None:
            foreign.append(place)
        elif _is_logged(place, ledger):
            stage.release()
            placed += [folder / file.name for file in stage.files]
        else:
            stage.drop()
    return Settled(placed=tuple(placed), foreign=tuple(foreign))


def take_up(folder: Path, ledger: Ledger) -> Settled:
    """Settle what was cut off in a folder that may not be there yet, before any other work.

    Raises:
        StorageError: the folder cannot be written, or what the log has cannot be placed.
    """
    storage.require_writable(folder)
    if not folder.is_dir():
        return Settled(placed=(), foreign=())
    with storage.exclusive_lock(folder):
        return settle(folder, ledger)


def require_room(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder that already holds one of these names, be it a link to nowhere.

    Raises:
        StorageError: nothing is written.
    """
    for name in names:
        if _is_taken(folder / name):
            raise StorageError(f"{folder} already holds {name}; name another folder with --out")


def _read(folder: Path, place: Path, ledger: Ledger) -> Stage | None:
    """A stage from its journal; None when it is not of this log, or not what was written."""
    try:
        journal = Journal.model_validate_json(storage.read(place / JOURNAL_NAME))
    except (ValidationError, StorageError):
        return None
    if journal.origin != ledger.origin or not all(map(_is_below, journal.files)):
        return None
    for file in journal.files:
        path = place / file.staged
        if path.exists() and sha256(storage.read(path)) != file.digest:
            return None
    return Stage(folder=folder, place=place, files=list(journal.files), complete=True)


def _is_logged(place: Path, ledger: Ledger) -> bool:
    journal = Journal.model_validate_json(storage.read(place / JOURNAL_NAME))
    return all(ledger.find(digest) is not None for digest in journal.logged)


def _is_below(file: Placing) -> bool:
    path = PurePosixPath(file.name)
    safe = bool(path.name) and not path.is_absolute() and ".." not in path.parts
    return safe and file.staged.isdecimal()


def _require_free(target: Path, file: Placing) -> None:
    if not _is_taken(target):
        return
    if target.is_file() and not target.is_symlink():
        found = sha256(storage.read(target))
        if found in {file.digest, file.over}:
            return
    raise StorageError(
        f"{target} was logged and waits in a hidden folder beside it, because something else has "
        "taken its name: move that away, and save into the folder again"
    )


def _is_taken(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _drop_empty(folders: Iterable[Path]) -> None:
    """Remove folders that nothing lies in, the innermost first."""
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
