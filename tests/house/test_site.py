"""The documentation as a site: it builds without a warning, and asks nobody for anything."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there_and_fetches_nothing_from_elsewhere(site):
    pages = {str(path.relative_to(site)): path.read_text() for path in site.rglob("*.html")}
    assert {"tutorial/index.html", "reference/training/index.html"} <= set(pages)
    for name, text in pages.items():
        fetched = re.findall(r"<(?:script|img|iframe)[^>]* src=\"?(https?:)?//", text)
        styles = re.findall(r"<link[^>]* href=\"?(?:https?:)?//[^>]*stylesheet", text)
        assert fetched == styles == [], name


def test_the_reference_tells_parameters_from_docstrings(site):
    text = (site / "reference" / "generating" / "index.html").read_text()
    assert "safegen.Model" in text
    assert "what they are for; policies may ask for it" in re.sub(r"<[^>]*>|\s+", " ", text)


def test_every_decision_is_listed_under_its_title():
    listed = (DECISIONS / "README.md").read_text()
    for path in DECISIONS.glob("0*.md"):
        title = path.read_text().splitlines()[0].removeprefix("# ")
        assert f"- [{title}]({path.name})" in listed, path.name


def test_the_table_of_what_epsilon_means_is_what_its_lines_print():
    page = (ROOT / "docs" / "what_epsilon_means.md").read_text()
    program = re.search(r"```python\n(import math.*?)```", page, re.DOTALL)[1]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {})
    assert printed.getvalue().count("\n") == 7
    assert printed.getvalue() in page
