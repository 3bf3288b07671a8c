"""Verdicts as JUnit XML, as CI servers read it: a case for each file.

    <testsuites name="safegen verify" tests="2" failures="1" errors="0" skipped="0">
      <testsuite name="safegen verify" tests="2" failures="1" errors="0" skipped="0">
        <testcase classname="safegen.verify" name="dist/0001.png" file="dist/0001.png">
          <failure type="safegen.integrity.changed" message="It was changed ...">...</failure>
          <system-out>passed: manifest. ...</system-out>

A file that is not trusted has failed, so that the report agrees with the exit code. The message is
that of the step that failed first, or of the signer's where only nobody vouches for it; all steps
that failed follow below. What every step said is the case's output.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from safegen.report.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.schemas.verdict import StepFinding, Verdict

NAME = "safegen verify"


def render(verdicts: Sequence[Verdict]) -> str:
    """The whole document."""
    cases = [_case(verdict) for verdict in verdicts]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": "0",
        "skipped": "0",
    }
    root = ET.Element("testsuites", {"name": NAME, **counts})
    ET.SubElement(root, "testsuite", {"name": NAME, **counts}).extend(cases)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(verdict: Verdict) -> ET.Element:
    path = printable(verdict.path)
    case = ET.Element("testcase", {"classname": NAME.replace(" ", "."), "name": path, "file": path})
    if verdict.state != "trusted":
        accusing = [finding for finding in verdict.findings if _accuses(verdict, finding)]
        first = {"type": f"safegen.{verdict.state}", "message": printable(verdict.text)}
        if accusing:
            first = {"type": accusing[0].codes[0], "message": printable(accusing[0].text)}
        lines = [f"{path} is {verdict.state}.", *map(_line, accusing)]
        ET.SubElement(case, "failure", first).text = "\n".join(lines)
    notes = [f"note: {printable(note)}" for note in verdict.notes]
    said = "\n".join([*notes, *map(_line, verdict.findings)])
    ET.SubElement(case, "system-out").text = said
    return case


def _line(finding: StepFinding) -> str:
    outcome = finding.outcome.replace("_", " ")
    codes = ", ".join(printable(code) for code in finding.codes)
    return f"{outcome}: {finding.step}. {printable(finding.text)} ({codes})"


def _accuses(verdict: Verdict, finding: StepFinding) -> bool:
    """Whether a step keeps a file from being trusted; one whom nobody vouches for fails last."""
    not_vouched = finding.step == "signer" and verdict.state == "valid"
    return finding.outcome == "failed" or not_vouched
