"""`safegen verify` as people and pipelines run it: formats, files, standard input, exit codes."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from safegen.cli.console import plain


def safegen(*arguments, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "safegen", *map(os.fspath, map(str_or_path, arguments))],
        capture_output=True,
        cwd=cwd,
        check=False,
        **options,
    )


def str_or_path(argument):
    return argument if isinstance(argument, str | bytes | os.PathLike) else str(argument)


@pytest.fixture
def dist(made, tmp_path):
    """Two outputs, and a copy that was changed."""
    from safegen.cli.tamper import with_one_bit_changed

    folder = tmp_path / "dist"
    folder.mkdir()
    for name in ("0001.png", "0002.png"):
        shutil.copy(made.outputs / name, folder)
    changed = with_one_bit_changed((folder / "0001.png").read_bytes())
    (folder / "changed.png").write_bytes(changed)
    return folder


def test_a_report_gates_a_pipeline(made, dist, tmp_path):
    report = tmp_path / "reports" / "verify.xml"
    command = ("verify", "dist/", "--trust", made.root, "--format", "junit", "--out", report)
    done = safegen(*command, cwd=tmp_path)
    assert done.returncode == 1
    assert b"2 trusted, 1 invalid; written to" in done.stdout
    (failure,) = ET.parse(report).iter("failure")
    assert failure.get("type") == "safegen.integrity.changed"
    (dist / "changed.png").unlink()
    assert safegen(*command, cwd=tmp_path).returncode == 0
    assert not list(ET.parse(report).iter("failure"))


def test_formats(made, dist, tmp_path):
    for form, check in {
        "json": lambda text: [item["state"] for item in json.loads(text)],
        "sarif": lambda text: [
            artifact["properties"]["state"] for artifact in json.loads(text)["runs"][0]["artifacts"]
        ],
    }.items():
        done = safegen("verify", "dist", "--trust", made.root, "--format", form, cwd=tmp_path)
        assert done.returncode == 1
        assert check(done.stdout) == ["trusted", "trusted", "invalid"]
    alias = safegen("verify", "dist", "--trust", made.root, "--json", cwd=tmp_path)
    again = safegen("verify", "dist", "--trust", made.root, "--format", "json", cwd=tmp_path)
    assert alias.stdout == again.stdout
    assert safegen("verify", "dist", "--format", "yaml", cwd=tmp_path).returncode == 2
    text = safegen("verify", "dist", "--trust", made.root, "--out", "r.txt", cwd=tmp_path)
    assert text.returncode == 1
    assert "✗ invalid" in (tmp_path / "r.txt").read_text()
    assert "\x1b" not in (tmp_path / "r.txt").read_text()


def test_what_json_says(made, dist, tmp_path):
    done = safegen("verify", dist / "0001.png", "--trust", made.root, "--json", cwd=tmp_path)
    (item,) = json.loads(done.stdout)
    assert set(item) == {
        *("format", "path", "state", "text", "signer", "time_stamp"),
        *("manifest_beside", "ingredients", "identities", "origins", "findings", "notes"),
    }
    assert item["format"] == "safegen.verdict/4"
    assert set(item["findings"][0]) == {"step", "outcome", "codes", "text"}
    assert set(item["ingredients"][0]) == {
        *("title", "relationship", "state", "signer", "codes", "declared", "trusted", "text"),
        "ingredients",
    }


def test_files_from_standard_input(made, dist, tmp_path):
    lines = b"dist/0001.png\ndist/0002.png\ndist/0001.png\n"
    trust = ("--trust", made.root, "--json")
    done = safegen("verify", "-", *trust, cwd=tmp_path, input=lines)
    assert done.returncode == 0, done.stderr
    assert [item["path"] for item in json.loads(done.stdout)] == ["dist/0001.png", "dist/0002.png"]
    nulls = lines.replace(b"\n", b"\0")
    for option in ("-0", "--null"):
        again = safegen("verify", option, "-", *trust, cwd=tmp_path, input=nulls)
        assert again.stdout == done.stdout
    empty = safegen("verify", "-", cwd=tmp_path, input=b"")
    assert empty.returncode == 2
    assert b"standard input names no files" in empty.stderr


def test_quoted_patterns(made, dist, tmp_path):
    done = safegen("verify", "**/000?.png", "--trust", made.root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"dist/0002.png" in done.stdout
    nothing = safegen("verify", "**/*.gif", cwd=tmp_path)
    assert nothing.returncode == 2
    assert nothing.stderr.startswith(b"error: no file matches **/*.gif")


def test_names_reach_no_terminal_raw(made, tmp_path):
    name = b"\x1b[2K\xff\ntrusted.png"
    shutil.copy(made.outputs / "0001.png", tmp_path / os.fsdecode(name))
    for options in ((), ("--json",), ("--format", "sarif"), ("--format", "junit")):
        done = safegen("verify", name, "--trust", made.root, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert b"\x1b[2K" not in done.stdout
        assert b"\xff" not in done.stdout
    missing = safegen("verify", b"absent" + name, cwd=tmp_path)
    assert missing.returncode == 2
    assert b"\x1b[2K" not in missing.stderr


def test_several_lists_and_jobs(made, dist, tmp_path):
    done = safegen(
        "verify", "dist", "--trust", made.root, "--trust", made.root, "--jobs", 2, cwd=tmp_path
    )
    assert b"2 trusted, 1 invalid" in done.stdout
    assert safegen("verify", "dist", "--jobs", "0", cwd=tmp_path).returncode == 2


def test_wrong_use_writes_nothing(made, dist, tmp_path):
    for arguments in (("absent.png",), ("dist", "--trust", "absent.pem")):
        done = safegen("verify", *arguments, "--out", "report.txt", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        assert not (tmp_path / "report.txt").exists()


def test_a_few_files_are_shown_step_by_step(made, dist, tmp_path):
    done = safegen("verify", dist / "changed.png", "--trust", made.root, cwd=tmp_path).stdout
    shown = done.decode()
    assert shown.startswith(f"✗ invalid     {plain(dist / 'changed.png')}\n")
    assert "  ✗ integrity    It was changed after it was signed" in shown
    assert "  · time         Nothing but the signer's own word" in shown
    assert "made from\n  ✓ " in shown


def test_a_folder_says_what_it_did_not_look_at(made, dist, tmp_path):
    (dist / "changed.png").unlink()
    (dist / "notes.txt").write_text("words")
    (dist / "0001.png").rename(dist / "0001.jpg")
    command = ("verify", "dist", "--trust", made.root)
    done = safegen(*command, cwd=tmp_path)
    told = b"Not looked at, since it carries no manifest and has none beside it: dist/notes.txt."
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == told
    assert b"  ! Its name says JPEG, and its bytes are PNG.\n" in done.stdout
    program = safegen(*command, "--json", cwd=tmp_path)
    assert [item["notes"] for item in json.loads(program.stdout)] == [
        ["Its name says JPEG, and its bytes are PNG."], [],
    ]  # fmt: skip
    assert told in program.stderr
