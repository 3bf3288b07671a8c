"""Files to verdicts, in as many processes as there are cores; never imports torch.

Every file is looked at in numbered steps (`steps.order`), each with a finding in words. A step that
has nothing to look at is `not_checked`, which is neither good nor bad. A file with a failed step is
`invalid`, however good its signature is; only a signer who is on no list leaves it `valid`, because
that says nothing against the file.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.arguments import checked
from safegen.errors import InputError
from safegen.location import locate
from safegen.progress import Progress, silent
from safegen.provenance.keys.trust import read_trust
from safegen.provenance.log.revocation import read_lists
from safegen.schemas.verdict import Verdict
from safegen.verification.discovery import files_in
from safegen.verification.workers.pool import PATIENCE, verify_apart
from safegen.verification.workers.process import Task, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.provenance.keys.trust import Trust

Lists = str | Path | Iterable[str | Path] | None


@checked
def verify(  # noqa: PLR0913 - a verification has as many choices as it has
    path: str | Path,
    *,
    trust: Lists = None,
    time_trust: Lists = None,
    identity_trust: Lists = None,
    ledger: Lists = None,
    witness: Lists = None,
    released: bool = False,
    revoked: Lists = None,
    strict: bool = False,
    policy: str | Path | None = None,
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
        ledger: the log that released files are in, or several, each of which answers; paths or
            SQLAlchemy URLs. A log counts for the files of the house that keeps it.
        witness: roots of those whose logs and receipts count for files of others, too.
        released: refuse a file of which nothing shows that it was released.
        revoked: revocation lists, from `safegen ledger revocations`; one that is not believed
            stops the verification.
        strict: refuse what is otherwise a warning: something that the file was made from did not
            hold when it was used, and its signer says so.
        policy: refuse what the rules of its `publish` stage refuse; a shipped policy's name, or a
            YAML file.

    Returns:
        The verdict. Whatever is wrong with the file is a finding in it, never an exception.

    Raises:
        InputError: there is no such file, or it is a folder.
        KeyMaterialError: a list holds no certificates, or a revocation list is not believed.
        PolicyError: the policy does not load, or has no rule for finished files.
        StorageError: a list or a ledger cannot be read.
        SafegenError: no process can be started.
    """
    file = Path(path)
    files_in([file])
    if file.is_dir():
        raise InputError(f"{file} is a folder; name a file, or use verify_tree")
    judge = _judge(policy)
    lists = _trust(trust, time_trust, identity_trust, witness)
    task = _task(lists, ledger, revoked, released=released, strict=strict)
    (verdict,) = verify_apart((file,), task, jobs=1, patience=PATIENCE, progress=silent)
    return judge(verdict)


@checked
def verify_tree(  # noqa: PLR0913 - likewise
    paths: Iterable[str | Path],
    *,
    trust: Lists = None,
    time_trust: Lists = None,
    identity_trust: Lists = None,
    ledger: Lists = None,
    witness: Lists = None,
    released: bool = False,
    revoked: Lists = None,
    strict: bool = False,
    policy: str | Path | None = None,
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
        witness: as in `verify`.
        released: as in `verify`.
        revoked: as in `verify`.
        strict: as in `verify`.
        policy: as in `verify`.
        jobs: processes; by default as many as there are usable cores.
        progress: told after each file.

    Returns:
        A verdict for each file, in the order in which the files were named.

    Raises:
        InputError: a path does not exist, or there is nothing to verify.
        KeyMaterialError: a list holds no certificates, or a revocation list is not believed.
        PolicyError: the policy does not load, or has no rule for finished files.
        StorageError: a list or a ledger cannot be read.
    """
    if jobs is not None and jobs < 1:
        raise InputError(f"{jobs} processes cannot verify anything; name at least one")
    judge = _judge(policy)
    lists = _trust(trust, time_trust, identity_trust, witness)
    task = _task(lists, ledger, revoked, released=released, strict=strict)
    files = files_in(paths)
    verdicts = verify_apart(
        files,
        task,
        jobs=min(jobs or usable_cores(), len(files)),
        patience=PATIENCE,
        progress=progress,
    )
    return tuple(judge(each) for each in verdicts)


def _trust(trust: Lists, time_trust: Lists, identity_trust: Lists, witness: Lists) -> Trust | None:
    return read_trust(*map(_several, (trust, time_trust, identity_trust, witness)))


def _task(
    lists: Trust | None, ledger: Lists, revoked: Lists, *, released: bool, strict: bool
) -> Task:
    return Task(
        trust=lists,
        ledgers=tuple(str(locate(each)) for each in _several(ledger)),
        strict=strict,
        released=released,
        revoked=read_lists((Path(each) for each in _several(revoked)), lists),
    )


def _judge(policy: str | Path | None) -> Callable[[Verdict], Verdict]:
    """What the caller's own policy makes of a verdict; none leaves it as it is."""
    if policy is None:
        return lambda verdict: verdict
    from safegen.verification.publishing import judged, publishing_policy  # loads CEL and YAML

    return functools.partial(judged, policy=publishing_policy(policy))


def _several(lists: Lists) -> tuple[str | Path, ...]:
    if lists is None:
        return ()
    return (lists,) if isinstance(lists, str | Path) else tuple(lists)
