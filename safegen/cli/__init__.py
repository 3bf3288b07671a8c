"""The command line: arguments to pipeline to exit code, one file a command group."""

from __future__ import annotations

import errno
import gc
import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run a command; an error is one sentence and its class's exit code."""
    # Waiting threads that spin make a busy machine several times slower; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # safegen uses no plug-in of pydantic, and looking for some reads every package's list.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()  # while it loads: whatever that leaves stays to the end
    if sys.argv[1:2] == ["verify"] and not {"--help", "-h"} & set(sys.argv):
        _begin_to_verify()
    from safegen.cli.commands import build_for
    from safegen.cli.console import complain, err
    from safegen.cli.streams import settle
    from safegen.errors import SafegenError, StorageError

    settle()
    app = build_for(sys.argv[1:])
    gc.freeze()
    gc.enable()
    try:
        app()
    except SystemExit as left:
        if left.code == INTERRUPTED:
            err.print("interrupted: what was written is whole")
        raise
    except SafegenError as error:
        complain(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            complain(StorageError(f"the name {error.filename} is too long; shorten it"))
            sys.exit(StorageError.exit_code)
        if os.environ.get("SAFEGEN_DEBUG"):
            raise
        complain(
            SafegenError(
                f"safegen failed: {type(error).__name__}: {error}; this is a defect, "
                "set SAFEGEN_DEBUG=1 to see where"
            )
        )
        sys.exit(SafegenError.exit_code)


def _begin_to_verify() -> None:
    """Have C2PA's reader loaded in a process of its own, while this one reads its arguments.

    What both need is loaded before, and so once (docs/decisions/0040-copied-at-the-start.md).
    """
    from safegen.verification import evidence, unsigned_files, verify  # noqa: F401 - likewise
    from safegen.verification.workers.process import warm
    from safegen.verification.workers.worker import main as work

    warm(work)
