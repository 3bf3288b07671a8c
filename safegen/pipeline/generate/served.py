"""A process that generates for a service: it hears requests, a line each, and writes releases.

A service itself never loads torch; this is started by name (`safegen.web.generating`). Every
request opens its package anew, so that whatever was taken back meanwhile is refused.

    {"models": {"digits": "runs/digits"}, "keys": ..., "ledger": ..., "timestamp_url": ...,
     "policy": [...]}                                               once; then, each time,
    {"model": "digits", "count": 2, "label": 7, "seed": null, "purpose": "...", "actor": "...",
     "explain": "summary", "folder": "/tmp/..."}
    {"names": ["...png"]}  or  {"error": "Refused", "message": "...", "decision": {...}}
"""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

from safegen.errors import Refused, SafegenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def main() -> None:
    """Answer until there are no more requests; Ctrl-C is whoever started it's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints is no answer
    with open(0, "rb", closefd=False) as questions:
        for answer in answered(questions):
            answers.write(json.dumps(answer).encode() + b"\n")


def answered(questions: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """An answer for each request after the settings."""
    lines = iter(questions)
    settings = json.loads(next(lines))
    for line in lines:
        try:
            yield {"names": _released(settings, json.loads(line))}
        except SafegenError as error:
            said = {"error": type(error).__name__, "message": str(error)}
            if isinstance(error, Refused):
                yield {**said, "decision": error.decision.model_dump(mode="json")}
            else:
                yield said


def _released(settings: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """Generate and save; names of the outputs."""
    from safegen.config.workspace import Workspace
    from safegen.pipeline.generate.model import load

    workspace = Workspace(
        keys=settings["keys"], ledger=settings["ledger"], timestamp_url=settings["timestamp_url"]
    )
    package = settings["models"][asked["model"]]
    model = load(package, workspace=workspace, policy=settings["policy"])
    release = model.generate(
        asked["count"],
        label=asked["label"],
        seed=asked["seed"],
        purpose=asked["purpose"],
        actor=asked["actor"],
        explain=asked["explain"],
    )
    return [path.name for path in release.save(asked["folder"])]
