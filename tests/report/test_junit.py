"""Verdicts as JUnit XML: what CI servers read agrees with the exit code."""

import xml.etree.ElementTree as ET

import pytest

from safegen.report import junit
from safegen.schemas.verdict import Verdict
from safegen.verification.findings import found
from safegen.verification.reason_codes import STEPS


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


def test_a_case_for_each_file_with_what_failed():
    root = ET.fromstring(junit.render([TRUSTED, INVALID]))
    assert root.tag == "testsuites"
    (suite,) = root
    for counted in (root, suite):
        given = [counted.get(name) for name in ("tests", "failures", "errors", "skipped")]
        assert given == ["2", "1", "0", "0"]
    assert [case.get("name") for case in suite] == ["a.png", "d.png"]
    assert [case.get("file") for case in suite] == ["a.png", "d.png"]
    for case in suite:  # every step is told, passed or not
        assert len(case.find("system-out").text.splitlines()) == len(STEPS)
    (failure,) = root.iter("failure")
    assert failure.get("type") == "safegen.integrity.changed"
    assert failure.get("message") == "words"
    assert failure.text.splitlines() == [
        "d.png is invalid.", "failed: integrity. words (safegen.integrity.changed)",
    ]  # fmt: skip


def test_the_first_step_that_failed_is_the_message_and_notes_are_told():
    codes = ("safegen.manifest.embedded", "safegen.ledger.rewritten", "safegen.policy.refused")
    each = verdict("x", "invalid", *codes).model_copy(update={"notes": ("Its name\x1b says.",)})
    (case,) = ET.fromstring(junit.render([each])).iter("testcase")
    assert case.find("failure").get("type") == "safegen.ledger.rewritten"
    assert "safegen.policy.refused" in case.find("failure").text
    assert case.find("system-out").text.startswith("note: Its name\ufffd says.\n")


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
    for text in (failure.text, failure.get("message"), root[0][0].get("name")):
        assert "]]>&<a>" in text
        assert not {"\x1b", "\x00", "\u202e", "\x85"} & set(text)
