"""Files to verdicts, in as many processes as there are cores; never imports torch.

Every file is looked at in numbered steps (`pipeline.steps`), each with a finding in words. A
step that has nothing to look at is `not_checked`, which is neither good nor bad. A file with a
failed step is `invalid`, however good its signature is; only a signer who is on no list leaves it
`valid`, because that says nothing against the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.arguments import checked
from safegen.errors import InputError
from safegen.pipeline.files import files_in
from safegen.pipeline.process import Task, usable_cores
from safegen.pipeline.workers import PATIENCE, verify_apart
from safegen.progress import Progress, silent
from safegen.provenance.trust import read_trust
from safegen.records.verdict import Verdict

if TYPE_CHECKING:
    from safegen.pipeline.evidence import Log

Lists = str | Path | Iterable[str | Path] | None


@checked
def verify(
    path: str | Path,
    *,
    trust: Lists = None,
    time_trust: Lists = None,
    identity_trust: Lists = None,
    ledger: str | Path | None = None,
    strict: bool = False,
) -> Verdict:
    """Verify one file, ours or anybody's, in a process of its own, within the limits of a tree's.

    The first call starts that process, which takes a fifth of a second or more; later ones find it
    waiting, until this process ends.

    Args:
        path: the file.
        trust: files of PEM certificates of the roots to trust, one or several, each a list of its
            own; without them nobody vouches for a signer. C2PA's public lists are such files.
        time_trust: the same of time-stamp authorities.
        identity_trust: the same of those who say who somebody is; lines that begin with `did:` name
            aggregators.
        ledger: the log that released files are in; a path or an SQLAlchemy URL.
        strict: refuse what is otherwise a warning: something that the file was made from did not
            hold when it was used, and its signer says so.

    Returns:
        The verdict. Whatever is wrong with the file is a finding in it, never an exception.

    Raises:
        InputError: there is no such file, or it is a folder.
        KeyMaterialError: a list holds no certificates.
        StorageError: a list or the ledger cannot be read.
        SafegenError: no process can be started.
    """
    file = Path(path)
    files_in([file])
    if file.is_dir():
        raise InputError(f"{file} is a folder; name a file, or use verify_tree")
    lists = read_trust(_several(trust), _several(time_trust), _several(identity_trust))
    task = Task(trust=lists, ledger=_location(ledger), strict=strict)
    (verdict,) = verify_apart((file,), task, jobs=1, patience=PATIENCE, progress=silent)
    return verdict


@checked
def verify_tree(
    paths: Iterable[str | Path],
    *,
    trust: Lists = None,
    time_trust: Lists = None,
    identity_trust: Lists = None,
    ledger: str | Path | None = None,
    strict: bool = False,
    jobs: int | None = None,
    progress: Progress = silent,
) -> tuple[Verdict, ...]:
    """Verify files, all media files below folders, and what patterns match.

    Files are looked at in processes of their own, so that one that breaks its reader down or keeps
    it busy for ever is called unreadable, and nothing else is lost.

    Args:
        paths: files, folders and patterns such as `dist/**/*.png`; a `Path` is never a pattern. In
            a folder, files of other kinds (receipts, keys, pages) are passed over; a file that is
            named, or matches a pattern, is always looked at.
        trust: as in `verify`.
        time_trust: as in `verify`.
        identity_trust: as in `verify`.
        ledger: as in `verify`.
        strict: as in `verify`.
        jobs: processes; by default as many as there are usable cores.
        progress: told after each file.

    Returns:
        A verdict for each file, in the order in which the files were named.

    Raises:
        InputError: a path does not exist, or there is nothing to verify.
        KeyMaterialError: a list holds no certificates.
        StorageError: a list or the ledger cannot be read.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"{jobs} processes cannot verify anything; name at least one")
    lists = read_trust(_several(trust), _several(time_trust), _several(identity_trust))
    files = files_in(paths)
    return verify_apart(
        files,
        Task(trust=lists, ledger=_location(ledger), strict=strict),
        jobs=min(jobs or usable_cores(), len(files)),
        patience=PATIENCE,
        progress=progress,
    )


def open_ledger(location: str | Path) -> Log:
    """Open a log to read; SQLAlchemy is imported only here, because it takes its time."""
    from safegen.provenance.ledger import Ledger

    return Ledger(location, to_read=True)


def _location(ledger: str | Path | None) -> str | None:
    return None if ledger is None else str(ledger)


def _several(lists: Lists) -> tuple[str | Path, ...]:
    if lists is None:
        return ()
    return (lists,) if isinstance(lists, str | Path) else tuple(lists)
