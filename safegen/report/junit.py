"""Verdicts as JUnit XML, as CI servers read it: a suite for each file, a case for each step.

    <testsuites name="safegen verify" tests="8" failures="1">
      <testsuite name="dist/0001.png" tests="8" failures="1" skipped="2">
        <testcase classname="dist/0001.png" name="integrity" file="dist/0001.png">
          <failure type="safegen.integrity.changed" message="It was changed ...">...</failure>

A step that was not checked is skipped, and a warning is the output of a case that passed. A file
that is not trusted has a failed case always, so that the report agrees with the exit code: where
nothing failed, that is the signer's.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from safegen.report.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.records.verdict import StepFinding, Verdict

NAME = "safegen verify"


def render(verdicts: Sequence[Verdict]) -> str:
    """The whole document."""
    suites = [_suite(verdict) for verdict in verdicts]
    root = ET.Element("testsuites", {"name": NAME, **_counts(suites)})
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(verdict: Verdict) -> ET.Element:
    cases = [_case(verdict, finding) for finding in verdict.findings]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
    }
    suite = ET.Element("testsuite", {"name": printable(verdict.path), **counts})
    suite.extend(cases)
    return suite


def _case(verdict: Verdict, finding: StepFinding) -> ET.Element:
    path, text = printable(verdict.path), printable(finding.text)
    case = ET.Element("testcase", {"classname": path, "name": finding.step, "file": path})
    if _fails(verdict, finding):
        failure = ET.SubElement(case, "failure", {"type": finding.codes[0], "message": text})
        failure.text = f"{text}\n{path} is {verdict.state}. Codes: {', '.join(finding.codes)}"
    elif finding.outcome == "not_checked":
        ET.SubElement(case, "skipped", {"message": text})
    elif finding.outcome == "warned":
        ET.SubElement(case, "system-out").text = f"{text}\nCodes: {', '.join(finding.codes)}"
    return case


def _fails(verdict: Verdict, finding: StepFinding) -> bool:
    not_vouched = finding.step == "signer" and verdict.state == "valid"
    return finding.outcome == "failed" or not_vouched


def _counts(suites: Sequence[ET.Element]) -> dict[str, str]:
    return {
        name: str(sum(int(suite.get(name, "0")) for suite in suites))
        for name in ("tests", "failures", "errors", "skipped")
    }
