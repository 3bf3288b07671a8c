"""Verdicts in words, without any terminal: whoever shows them says how parts are painted."""

import subprocess
import sys

import safegen
from safegen.report.verdicts import in_words, render


def test_words_need_no_terminal(made):
    verdict = safegen.verify(made.outputs / "0001.png", trust=made.root)
    text = render([verdict])
    assert text.startswith("✓ trusted")
    assert all(finding.text in text for finding in verdict.findings)
    code = "import sys, safegen.report.verdicts; print({'rich', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_whoever_shows_them_paints_them(made):
    def paint(text, style=""):
        return f"<{style}>{text}</>" if style else text

    verdict = safegen.verify(made.outputs / "0001.png")
    lines = list(in_words([verdict], paint=paint))
    assert lines[0].startswith("<bold yellow>~ valid")
    assert any(line.startswith("  <green>✓</> manifest") for line in lines)
    assert any("<dim>" in line for line in lines)


def test_a_name_writes_no_line_of_its_own(made):
    data = (made.outputs / "0001.png").read_bytes()
    verdict = safegen.verify(data, name="a.png\n✓ trusted     b.png\x1b[2K")
    (line, *_) = in_words([verdict])
    assert line == "~ valid       a.png\ufffd✓ trusted     b.png\ufffd[2K"


def test_lines_are_broken_where_they_have_a_width(made):
    verdict = safegen.verify(made.outputs / "0001.png", trust=made.root)
    lines = list(in_words([verdict], width=60))
    assert max(map(len, lines[1:])) <= 60
    assert len(lines) > len(list(in_words([verdict])))
