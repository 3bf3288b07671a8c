"""Terminals that know few letters, and readers that leave early, end no command."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest


def safegen(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "safegen", *map(os.fspath, arguments)],
        check=False,
        **{"capture_output": True} | options,
    )


IN_TURN = """
import ast, os, sys
from safegen.cli import main

for command in ast.literal_eval(sys.argv[1]):
    sys.argv[1:], code = command, 0
    try:
        main()
    except SystemExit as left:
        code = left.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(1, b"%d\\0" % code)
    os.write(2, b"\\0")
"""


def in_turn(*commands, **options):
    """What one process after another would say, from one, which loads everything once."""
    typed = repr([list(map(str, command)) for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN, typed], check=True, capture_output=True, **options
    )
    for said, complained in zip(
        done.stdout.split(b"\0"), done.stderr.split(b"\0")[: len(commands)], strict=False
    ):
        words, code = re.fullmatch(rb"(.*?)(\d+)", said, re.DOTALL).groups()
        yield subprocess.CompletedProcess([], int(code), words, complained)


@pytest.fixture
def folder(made, tmp_path):
    for number, name in enumerate(("ä.png", "Ж.png"), 1):
        shutil.copy(made.outputs / f"000{number}.png", tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("coding", ["ascii", "cp1252", "latin-1", "koi8-r"])
def test_every_command_writes_in_letters_that_there_are(made, folder, coding):
    env = os.environ | {"PYTHONIOENCODING": coding, "PYTHONUTF8": "0"}
    expected = {
        ("verify", folder / "ä.png", "--trust", made.root): 0,
        ("verify", folder): 1,
        ("certificate", "show", made.model): 0,
        ("keys", "check", made.keys): 0,
        ("ledger", "show", "--ledger", made.ledger): 2,  # wrong use, told by typer in a box
        ("verify", folder / "≠.png"): 2,
        ("--help",): 0,
        ("verify", "--help"): 0,
    }
    found = zip(expected.items(), in_turn(*expected, env=env), strict=True)
    for (command, status), done in found:
        assert done.returncode == status, (command, done.stderr)
        said = (done.stdout + done.stderr).decode(coding)
        assert said
        assert "defect" not in said
        assert "Traceback" not in said
    shown = safegen("verify", folder / "ä.png", "--trust", made.root, env=env).stdout
    assert shown.startswith(b"+ trusted ")


def test_a_letter_that_is_not_there_is_written_by_its_number(made, folder):
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = safegen("verify", "--trust", made.root, folder, env=env)
    assert b"\\xe4.png" in done.stdout
    assert b"\\u0416.png" in done.stdout


def test_documents_are_utf8_wherever_they_go(made, folder):
    env = os.environ | {"PYTHONIOENCODING": "cp1252"}
    for form in ("junit", "sarif", "json"):
        done = safegen("verify", folder, "--trust", made.root, "--format", form, env=env)
        assert done.returncode == 0
        done.stdout.decode("utf-8")
        if form == "junit":
            names = {case.get("file", "") for case in ET.fromstring(done.stdout).iter("testcase")}
            assert {name.rpartition("/")[2] for name in names} == {"ä.png", "Ж.png"}


@pytest.mark.parametrize("more", [(), ("--json",), ("--format", "junit")])
def test_a_reader_that_leaves_changes_no_exit_code(made, folder, more):
    def status(*arguments):
        reads, writes = os.pipe()
        os.close(reads)  # nobody reads at all
        done = safegen(*arguments, capture_output=False, stdout=writes, stderr=writes)
        os.close(writes)
        return done.returncode

    assert status("verify", folder, "--trust", made.root, *more) == 0
    assert status("verify", folder, *more) == 1
    assert status("verify", folder / "absent", *more) == 2
    assert status("--help") == 0


def test_names_that_are_too_long_for_any_command(made, tmp_path):
    name = "n" * 300
    commands = (
        ("verify", name),
        ("verify", made.outputs / "0001.png", "--trust", name),
        ("verify", made.outputs / "0001.png", "--out", name),
        ("sign", name),
        ("sign", made.outputs / "0001.png", "--keys", name),
        ("sign", made.outputs / "0001.png", "--keys", made.keys, "--ledger", name),
        ("keys", "init", name),
        ("keys", "check", name),
        ("train", "digits", "--out", name),
        ("generate", name, "--purpose", "x", "--out", "out"),
        ("certificate", "show", name),
        ("ledger", "check", name),
    )
    for command, done in zip(commands, in_turn(*commands, cwd=tmp_path), strict=True):
        assert done.returncode == 2, (command, done.stderr)
        assert b"defect" not in done.stderr
        assert done.stderr.count(b"error: ") == 1, (command, done.stderr)
