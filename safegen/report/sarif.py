"""Verdicts as SARIF 2.1.0, as code-scanning services read it: a result for each thing wrong.

    {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "safegen", "rules": [...]}},
      "artifacts": [...], "results": [{"ruleId": "safegen.integrity.changed", "level": "error",
        "message": {"text": "It was changed ..."}, "locations": [...]}]}]}

A trusted file has no result but for what it is warned of, since services show every result as an
alert. It is among the artifacts.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import quote

from safegen.report.printable import printable
from safegen.verification.reason_codes import CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from safegen.schemas.verdict import StepFinding, Verdict

    Json = Mapping[str, "Value"]
    Value = str | int | bool | Json | Sequence["Value"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
VOUCHED = (  # against nobody's content
    "safegen.signer.no-list",
    "safegen.signer.unknown",
    "safegen.signer.path",
    "safegen.identity.unknown",
)


def render(verdicts: Sequence[Verdict]) -> str:
    """The whole document."""
    accused = [(verdict, finding) for verdict in verdicts for finding in _accusing(verdict)]
    trusted = all(verdict.state == "trusted" for verdict in verdicts)
    rules = sorted({finding.codes[0] for _, finding in accused})
    places = {verdict.path: number for number, verdict in enumerate(verdicts)}
    run: Json = {
        "tool": {
            "driver": {
                "name": "safegen",
                "version": version("safegen"),
                "semanticVersion": version("safegen"),
                "rules": [_rule(code) for code in rules],
            }
        },
        "invocations": [{"executionSuccessful": True, "exitCode": 0 if trusted else 1}],
        "columnKind": "unicodeCodePoints",
        "artifacts": [_artifact(verdict) for verdict in verdicts],
        "results": [
            _result(verdict, finding, rules.index(finding.codes[0]), places[verdict.path])
            for verdict, finding in accused
        ],
    }
    return f"{json.dumps({'$schema': SCHEMA, 'version': '2.1.0', 'runs': [run]}, indent=2)}\n"


def _accusing(verdict: Verdict) -> Iterator[StepFinding]:
    """What keeps a file from being trusted, and what it is warned of."""
    for finding in verdict.findings:
        unvouched = verdict.state == "valid" and finding.step == "signer"
        if finding.outcome in {"failed", "warned"} or unvouched:
            yield finding


def _rule(code: str) -> Json:
    text = CODES[code].text
    return {
        "id": code,
        "name": "".join(part.capitalize() for part in code.replace("-", ".").split(".")[1:]),
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": "docs/verify.md lists all codes and what they mean."},
        "defaultConfiguration": {"level": _level(code)},
    }


def _level(code: str) -> str:
    warning = code in VOUCHED or CODES[code].outcome == "warned"
    return "warning" if warning else "error"


def _artifact(verdict: Verdict) -> Json:
    return {
        "location": _location(verdict.path),
        "description": {"text": printable(verdict.text)},
        "properties": {"state": verdict.state},
    }


def _result(verdict: Verdict, finding: StepFinding, rule: int, artifact: int) -> Json:
    code = finding.codes[0]
    place = {"artifactLocation": {**_location(verdict.path), "index": artifact}}
    return {
        "ruleId": code,
        "ruleIndex": rule,
        "level": _level(code),
        "message": {"text": printable(finding.text)},
        "locations": [{"physicalLocation": {**place, "region": {"startLine": 1}}}],
        "partialFingerprints": {"pathAndCode/v1": _fingerprint(verdict.path, code)},
        "properties": {"state": verdict.state, "codes": list(finding.codes)},
    }


def _location(path: str) -> dict[str, Value]:
    """A path as a URI; a relative one is relative to wherever the run began."""
    place = PurePath(path)
    if place.is_absolute():
        return {"uri": f"file://{quote(place.as_posix())}"}
    return {"uri": quote(place.as_posix()), "uriBaseId": "%SRCROOT%"}


def _fingerprint(path: str, code: str) -> str:
    """Tells a service that this is the alert that it knows already."""
    return hashlib.sha256(f"{path}\0{code}".encode()).hexdigest()
