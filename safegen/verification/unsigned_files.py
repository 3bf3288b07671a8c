"""What lies in a folder and no manifest speaks of: named, so that nobody takes it for checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safegen.schemas.names import (
    CARD,
    DIGESTS,
    EXPLANATIONS,
    MODEL_MANIFEST,
    WEIGHTS,
    receipt_beside,
)
from safegen.verification.discovery import shown
from safegen.verification.evidence import package_files, receipt_of
from safegen.verification.numbers import numbers_beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from safegen.schemas.verdict import Verdict
    from safegen.verification.discovery import FoundFiles

MAX_NAMED = 3  # files that a sentence names


def not_covered(found: FoundFiles, verdicts: Sequence[Verdict]) -> tuple[Path, ...]:
    """What was passed over, without the manifests, receipts and parts that verdicts rest on.

    Args:
        found: what people meant.
        verdicts: on its files.
    """
    covered = {verdict.manifest_beside for verdict in verdicts}
    for path in found.files:
        parts = [receipt_beside(path), *package_files(path).values()]
        if any(each.parent.name == EXPLANATIONS for each in found.passed_over):
            parts += _numbers_of(path)
        if path.name == WEIGHTS:
            parts.append(path.with_name(MODEL_MANIFEST))
        covered.update(shown(part) for part in parts)
    return tuple(path for path in found.passed_over if shown(path) not in covered)


def _numbers_of(path: Path) -> list[Path]:
    """The file of its explanation's numbers, which its receipt names and its verdict rests on."""
    receipt, _ = receipt_of(path)
    beside = None if receipt is None else numbers_beside(path, receipt.explanation)
    return [] if beside is None else [beside]


def unsigned_in_package(weights: Path) -> str | None:
    """That a package's folder has files of which its manifest does not speak; None if it has none.

    Its digests are held against what they are of when it is loaded, and so they go without saying.
    Of its card the first step says that nobody signed it: a warning that every sound package gives
    is one that nobody reads.
    """
    spoken_of = {path.name for path in package_files(weights).values()}
    try:
        there = {path.name for path in weights.parent.iterdir()}
    except OSError:
        return None
    names = sorted(there - spoken_of - {MODEL_MANIFEST, DIGESTS, CARD})
    if not spoken_of or not names:
        return None
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    listed = ", ".join(shown(name) for name in names[:MAX_NAMED])
    return f"Its manifest does not speak of all that lies in its folder: {listed}{more}."


def in_words(left: Sequence[Path]) -> str:
    """The same in a sentence, with the first few names.

    >>> from pathlib import Path
    >>> in_words([Path("a.txt")])
    'Not looked at, since it carries no manifest and has none beside it: a.txt.'
    """
    names = ", ".join(shown(path) for path in left[:MAX_NAMED])
    more = f" and {len(left) - MAX_NAMED:,} more" if len(left) > MAX_NAMED else ""
    if len(left) == 1:
        return f"Not looked at, since it carries no manifest and has none beside it: {names}."
    return f"Not looked at, since they carry no manifest and have none beside them: {names}{more}."
