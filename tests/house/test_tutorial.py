"""The tutorial, typed as it stands; the demo alone is one that was made before."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BEFORE = (
    "pip install . && safegen demo\n"  # two minutes, and a test of its own: tests/cli/test_demo
)


@pytest.fixture(scope="module")
def typed(made, tmp_path_factory):
    """What every block of shell lines said, in order."""
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copytree(made.folder, folder / "safegen-demo")
    said = []
    for kind, body in BLOCK.findall(PAGE.read_text()):
        if kind == "yaml":
            (folder / "lecture-figures.yaml").write_text(body)
        elif body != BEFORE:
            said.append(run(kind, body, folder))
    return folder, said


def run(kind, body, folder):
    safegen = f'safegen() {{ "{sys.executable}" -m safegen "$@"; }}\n'
    command = ["bash", "-euc", safegen + body] if kind == "sh" else [sys.executable, "-c", body]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (body, done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_the_tutorial_does_what_it_says(typed):
    folder, said = typed
    certificate, generated, verified, explained, _, liars, refused = said
    assert "passed  epsilon" in certificate
    assert "4 signed outputs" in generated
    assert len(list((folder / "sevens").glob("seven-?.png"))) == 4
    assert verified.startswith("✓ trusted")
    assert "Exactly this file was released" in verified
    assert "the same" in explained
    assert re.findall(r"^✗ (\w+) |^(exit code 1)$", liars, re.MULTILINE) == [
        ("invalid", ""),
        ("", "exit code 1"),
        ("unsigned", ""),
        ("", "exit code 1"),
    ]
    assert "even-digits" in refused
    assert "exit code 3\n" in refused
    assert not (folder / "refused").exists()
