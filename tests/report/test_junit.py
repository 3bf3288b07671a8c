"""Verdicts as JUnit XML: what CI servers read agrees with the exit code."""

import xml.etree.ElementTree as ET

import pytest

from safegen.pipeline.codes import STEPS
from safegen.pipeline.findings import found
from safegen.records.verdict import Verdict
from safegen.report import junit


def verdict(path, state, *codes, text="words"):
    """A verdict whose steps ended with these codes, and all others as they do when all is well."""
    given = {code.split(".")[1]: code for code in codes}
    usual = dict.fromkeys(STEPS, "skipped")
    findings = tuple(
        found(given.get(step, f"safegen.{step}.{usual[step]}"), text)
        for step in STEPS
        if step in given or step != "manifest"
    )
    return Verdict(path=path, state=state, text=text, findings=findings)


TRUSTED = verdict("a.png", "trusted", "safegen.manifest.embedded", "safegen.signer.trusted")
VALID = verdict("b.png", "valid", "safegen.manifest.embedded", "safegen.signer.no-list")
UNKNOWN = verdict("c.png", "valid", "safegen.manifest.embedded", "safegen.signer.unknown")
INVALID = verdict("d.png", "invalid", "safegen.manifest.embedded", "safegen.integrity.changed")
UNSIGNED = verdict("e.png", "unsigned", "safegen.manifest.none")


def test_a_suite_for_each_file_and_a_case_for_each_step():
    root = ET.fromstring(junit.render([TRUSTED, INVALID]))
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == (
        str(2 * len(STEPS)),
        "1",
        "0",
    )
    suites = list(root)
    assert [suite.get("name") for suite in suites] == ["a.png", "d.png"]
    for suite in suites:
        assert [case.get("name") for case in suite] == list(STEPS)
        assert {case.get("classname") for case in suite} == {suite.get("name")}
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    (failure,) = root.iter("failure")
    assert failure.get("type") == "safegen.integrity.changed"
    assert failure.get("message") == "words"
    assert "d.png is invalid" in failure.text


@pytest.mark.parametrize("each", [TRUSTED, VALID, UNKNOWN, INVALID, UNSIGNED])
def test_whatever_is_not_trusted_has_a_failure(each):
    failures = list(ET.fromstring(junit.render([each])).iter("failure"))
    assert bool(failures) == (each.state != "trusted")
    assert len(failures) <= 1


def test_no_text_breaks_the_document():
    hostile = "\x00\x1b[2K]]>&<a>\ufffe\ud7ff\n\u202e\x85" + chr(0x10FFFF)
    each = verdict(hostile, "unsigned", "safegen.manifest.none", text=hostile)
    root = ET.fromstring(junit.render([each]))
    (failure,) = root.iter("failure")
    for text in (failure.text, failure.get("message"), root[0].get("name")):
        assert "]]>&<a>" in text
        assert not {"\x1b", "\x00", "\u202e", "\x85"} & set(text)
