"""Files to verdicts, in as many processes as there are cores; never imports torch.

Every file is looked at in numbered steps (`steps.order`), each with a finding in words. A step that
has nothing to look at is `not_checked`, which is neither good nor bad. A file with a failed step is
`invalid`, however good its signature is; only a signer who is on no list leaves it `valid`, because
that says nothing against the file.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from safegen.arguments import checked
from safegen.errors import InputError
from safegen.progress import Progress, silent
from safegen.schemas.inspection import Inspection
from safegen.schemas.verdict import Verdict
from safegen.verification.discovery import files_in
from safegen.verification.options import Choices, VerificationOptions
from safegen.verification.upload import UNNAMED, Upload
from safegen.verification.workers.pool import TIMEOUT_SECONDS, inspect_apart, verify_apart
from safegen.verification.workers.process import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALL_DEFAULTS = VerificationOptions()


@checked
def verify(
    file: str | Path | bytes,
    *,
    name: str | None = None,
    options: VerificationOptions = ALL_DEFAULTS,
    **choices: Unpack[Choices],
) -> Verdict:
    """Verify one file, ours or anybody's, in a process of its own, within the limits of a tree's.

    The first call starts that process, which takes a fifth of a second or more; later ones find it
    waiting, until this process ends.

    Args:
        file: its path, or its bytes where it lies nowhere, such as one that somebody sent. Of bytes
            no sidecar and no receipt is known, for nothing lies beside them.
        name: what bytes are called; its suffix counts where the first bytes tell no type.
        options: whom to believe, what to ask, and what to refuse.
        **choices: the same one by one, by the names of `VerificationOptions`; they come first.

    Returns:
        The verdict. Whatever is wrong with the file is a finding in it, never an exception.

    Raises:
        InputError: there is no such file, or it is a folder.
        KeyMaterialError: a list holds no certificates, or a revocation list is not believed.
        PolicyError: the policy does not load, or has no rule for finished files.
        StorageError: a list or a ledger cannot be read.
        SafegenError: no process can be started.
    """
    options, subject = options.but(choices), _subject(file, name)
    (verdict,) = _verify([subject], options, jobs=1, progress=silent)
    return verdict


@checked
def inspect(
    file: str | Path | bytes,
    *,
    name: str | None = None,
    options: VerificationOptions = ALL_DEFAULTS,
    **choices: Unpack[Choices],
) -> Inspection:
    """Verify one file as `verify` does, and tell what its manifest says, for people to see.

    Args and errors are those of `verify`.
    """
    options, subject = options.but(choices), _subject(file, name)
    task = replace(options.task(), detailed=True)
    judge = _judge(options)
    (found,) = inspect_apart([subject], task, jobs=1, patience=TIMEOUT_SECONDS, progress=silent)
    return Inspection(verdict=judge(found.verdict), manifest=found.manifest)


@checked
def verify_tree(
    paths: Iterable[str | Path],
    *,
    options: VerificationOptions = ALL_DEFAULTS,
    jobs: int | None = None,
    progress: Progress = silent,
    **choices: Unpack[Choices],
) -> tuple[Verdict, ...]:
    """Verify files, all media files below folders, and what patterns match.

    Files are looked at in processes of their own, so that one that breaks its reader down or keeps
    it busy for ever is called unreadable, and nothing else is lost.

    Args:
        paths: files, folders and patterns such as `dist/**/*.png`; a `Path` is never a pattern. In
            a folder, files of other kinds (receipts, keys, pages) are passed over; a file that is
            named, or matches a pattern, is always looked at.
        options: whom to believe, what to ask, and what to refuse.
        jobs: processes; by default as many as there are usable cores.
        progress: told after each file.
        **choices: as in `verify`.

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
    options, files = options.but(choices), files_in(paths)
    return _verify(files, options, jobs=jobs or usable_cores(), progress=progress)


def _subject(file: str | Path | bytes, name: str | None) -> Path | Upload:
    if isinstance(file, bytes):
        called = UNNAMED if name is None else name.encode("utf-8", "backslashreplace").decode()
        return Upload(name=called, data=file)
    if name is not None:
        raise InputError(f"{file} has its own name; a name is for bytes")
    path = Path(file)
    files_in([path])  # which says what is wrong where nothing is there
    if path.is_dir():
        raise InputError(f"{file} is a folder; name a file, or use verify_tree")
    return path


def _verify(
    files: Sequence[Path | Upload], options: VerificationOptions, *, jobs: int, progress: Progress
) -> tuple[Verdict, ...]:
    judge = _judge(options)
    verdicts = verify_apart(
        files,
        options.task(),
        jobs=min(jobs, len(files)),
        patience=TIMEOUT_SECONDS,
        progress=progress,
    )
    return tuple(map(judge, verdicts))


def _judge(options: VerificationOptions) -> Callable[[Verdict], Verdict]:
    """What the caller's own policies make of a verdict; none leave it as it is."""
    if options.policy is None:
        if options.deployment is not None:
            raise InputError("a deployment is asked by a policy's rules; name a policy, too")
        return lambda verdict: verdict
    from safegen.policy.deployment import load_deployment
    from safegen.verification.publishing import judged, publishing_policy  # loads CEL and YAML

    return functools.partial(
        judged,
        policy=publishing_policy(options.policy),
        deployment=load_deployment(options.deployment),
    )
