"""Whether a stranger's file can be read without harm, before somebody reads it who must not fail.

Whoever signs a file holds a key, or reaches a key service, and so cannot give up the network and
whatever else a process that verifies gives up. So the file is first read in such a process, within
its limits, and refused when that breaks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from safegen.errors import DataError
from safegen.progress import silent
from safegen.verification.workers.pool import TIMEOUT_SECONDS, verify_apart
from safegen.verification.workers.process import Task

if TYPE_CHECKING:
    from pathlib import Path

    from safegen.provenance.keys.trust import Trust

HARMFUL = {f"safegen.manifest.{each}" for each in ("crashed", "too-long", "too-large")}


def require_harmless(path: Path, trust: Trust | None = None) -> None:
    """Refuse a file that breaks its reader down, keeps it busy or wants too much memory.

    Whatever else is wrong with it, or that it is not there, is left to whoever reads it next.

    Args:
        path: the file.
        trust: with which it will be read.

    Raises:
        DataError: it does harm.
        SafegenError: no process can be started.
    """
    if not os.path.isfile(path):  # noqa: PTH113 - never raises, whatever the name
        return
    task = Task(trust=trust)
    (verdict,) = verify_apart((path,), task, jobs=1, patience=TIMEOUT_SECONDS, progress=silent)
    if HARMFUL & set(verdict.findings[0].codes):
        raise DataError(
            f"{path} was tried in a process of its own, and is not read: {verdict.text}"
        )
