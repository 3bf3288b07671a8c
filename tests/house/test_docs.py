"""What the documents tell a reader to type is what the program takes."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from safegen.cli.commands import build
from safegen.policy.facts import OLD_NAMES
from safegen.policy.load import load_policy
from safegen.provenance.c2pa import claims

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(kind):
    return [
        (path.name, body)
        for path in DOCUMENTS
        for language, body in BLOCK.findall(path.read_text())
        if language == kind
    ]


COMMANDS = [
    (name, line)
    for name, body in blocks("sh")
    for line in body.replace("\\\n", "").splitlines()
    if line.startswith("safegen ")
]


def test_the_readme_holds_exactly_two_set_up_commands():
    lines = re.findall(r"^pip install .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert lines == [
        "pip install . && safegen demo",
        "pip install '.[test]' && pytest -n auto --dist loadfile",
    ]


@pytest.mark.parametrize(("name", "line"), COMMANDS)
def test_commands_in_documents_exist_with_their_options(name, line):
    words = shlex.split(line.partition(" || ")[0])[1:]
    command = get_command(build())
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    used = {word for word in words if word.startswith("-")}
    assert used <= known, f"{name}: {used - known}"


def test_every_command_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    for name in get_command(build()).commands:
        assert f"safegen {name}" in text, name


@pytest.mark.parametrize(("name", "body"), blocks("yaml"))
def test_policies_in_documents_load(name, body, tmp_path):
    (tmp_path / "policy.yaml").write_text(body)
    assert load_policy(tmp_path / "policy.yaml").name == yaml.safe_load(body)["name"]


@pytest.mark.parametrize(("name", "body"), blocks("python"))
def test_python_in_documents_is_python(name, body):
    compile(body, name, "exec")


def test_the_table_of_facts_is_what_the_command_prints():
    command = [sys.executable, "-m", "safegen", "policy", "facts", "--markdown"]
    table = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert len(table.splitlines()) > 50
    assert table in (ROOT / "docs" / "policies.md").read_text()


def test_every_older_name_of_a_fact_is_documented():
    text = (ROOT / "docs" / "policies.md").read_text()
    assert [name for name in OLD_NAMES if f"`{name}`" not in text] == []


def test_every_own_assertion_is_documented():
    text = (ROOT / "docs" / "formats.md").read_text()
    for label in (
        claims.PRIVACY,
        claims.EXPLANATION,
        claims.DECISION,
        claims.REQUEST,
        claims.PACKAGE,
        claims.LABEL,
    ):
        assert f"`{label}`" in text


def test_links_between_documents_lead_somewhere():
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_module_that_a_document_names_is_there():
    homes = (ROOT, ROOT / "safegen", ROOT / "tests", ROOT / "tests" / "hostile")
    for path in DOCUMENTS:
        for named in re.findall(r"`((?:[\w.]+/)+\w*(?:\.py)?)[`:]", path.read_text()):
            if named.endswith(".py") or named.startswith("safegen/"):
                assert any((home / named).exists() for home in homes), f"{path.name}: {named}"


def test_the_compliance_page_is_what_the_command_writes(tmp_path):
    """`python -m safegen.policy.coverage docs/compliance.md` writes it anew."""
    command = [sys.executable, "-m", "safegen.policy.coverage", tmp_path / "compliance.md"]
    subprocess.run(command, check=True, cwd=ROOT)
    written = (tmp_path / "compliance.md").read_text()
    assert written == (ROOT / "docs" / "compliance.md").read_text()
    assert written.count("article 50(2)") == 3
