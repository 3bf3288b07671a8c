"""Verdicts as SARIF 2.1.0: what the standard requires (OASIS, 2020), section by section."""

import json
import re
from urllib.parse import unquote, urlparse

import pytest

from safegen.report import sarif
from safegen.schemas.verdict import Verdict
from safegen.verification.findings import found
from safegen.verification.reason_codes import CODES, STEPS

LEVELS = {"none", "note", "warning", "error"}  # 3.27.10


def verdict(path, state, *codes, text="words"):
    given = {code.split(".")[1]: code for code in codes}
    findings = tuple(found(given.get(s, f"safegen.{s}.skipped"), text) for s in STEPS[1:])
    first = found(given.get("manifest", "safegen.manifest.embedded"), text)
    return Verdict(path=path, state=state, text=text, findings=(first, *findings))


TRUSTED = verdict("dist/a.png", "trusted", "safegen.signer.trusted")
VALID = verdict("/tmp/b c.png", "valid", "safegen.signer.no-list")
UNKNOWN = verdict("c.png", "valid", "safegen.signer.unknown")
INVALID = verdict("d#1?.png", "invalid", "safegen.integrity.changed", "safegen.ledger.unknown")


def run_of(verdicts):
    log = json.loads(sarif.render(verdicts))
    assert log["version"] == "2.1.0"  # 3.13.2
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    return run


def check(run):
    """The properties that must be there, their types, and that references lead somewhere."""
    driver = run["tool"]["driver"]  # 3.14.6, 3.18.2
    assert isinstance(driver["name"], str)  # 3.19.8
    ids = [rule["id"] for rule in driver["rules"]]  # 3.49.3
    assert len(ids) == len(set(ids))
    for rule in driver["rules"]:
        assert rule["id"] in CODES
        assert re.fullmatch(r"[A-Za-z]+", rule["name"])  # 3.49.7: an identifier
        assert rule["shortDescription"]["text"].endswith(".")  # 3.49.9
        assert rule["defaultConfiguration"]["level"] in LEVELS
    (invocation,) = run["invocations"]
    assert isinstance(invocation["executionSuccessful"], bool)  # 3.20.14
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]  # 3.27.6
        assert result["level"] in LEVELS
        assert result["message"]["text"]  # 3.11.8
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["region"]["startLine"] >= 1  # 3.30.5
        artifact = run["artifacts"][place["artifactLocation"]["index"]]
        assert artifact["location"]["uri"] == place["artifactLocation"]["uri"]
        assert re.fullmatch(r"[0-9a-f]{64}", result["partialFingerprints"]["pathAndCode/v1"])
    for artifact in run["artifacts"]:
        uri = artifact["location"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9._~%/:@!$&'()*+,;=-]*", uri)  # RFC 3986
        assert ("uriBaseId" in artifact["location"]) == (not urlparse(uri).scheme)


def test_a_result_for_each_thing_wrong_and_none_for_a_trusted_file():
    run = run_of([TRUSTED, VALID, UNKNOWN, INVALID])
    check(run)
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("safegen.signer.no-list", "warning"),
        ("safegen.signer.unknown", "warning"),
        ("safegen.integrity.changed", "error"),
        ("safegen.ledger.unknown", "error"),
    ]
    assert [artifact["properties"]["state"] for artifact in run["artifacts"]] == [
        "trusted",
        "valid",
        "valid",
        "invalid",
    ]
    paths = [unquote(urlparse(a["location"]["uri"]).path) for a in run["artifacts"]]
    assert paths == ["dist/a.png", "/tmp/b c.png", "c.png", "d#1?.png"]
    assert run["invocations"][0]["exitCode"] == 1


def test_all_trusted():
    run = run_of([TRUSTED])
    check(run)
    assert run["results"] == []
    assert run["invocations"][0]["exitCode"] == 0


@pytest.mark.parametrize("path", ["a\nb.png", "\\xff.png", "\x1b[2K.png", "\u202e.png", "ä%.png"])
def test_no_name_breaks_the_document(path):
    run = run_of([verdict(path, "unsigned", "safegen.manifest.none", text=path)])
    check(run)
    assert run["results"][0]["message"]["text"].isprintable()
