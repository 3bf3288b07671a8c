"""Which files are looked at, and files that are made to do harm."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import safegen
from safegen.errors import InputError
from safegen.pipeline.files import files_in, names_in, shown


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"words")
    return folder


def found(paths, folder):
    return [path.relative_to(folder).as_posix() for path in files_in(paths)]


def test_each_file_once_in_the_order_in_which_it_was_named(tmp_path):
    touch(tmp_path, "b.png", "a.png", "sub/c.jpg", "notes.txt")
    assert found([tmp_path], tmp_path) == ["a.png", "b.png", "sub/c.jpg"]
    again = [tmp_path / "sub", tmp_path / "b.png", tmp_path, tmp_path / "sub" / ".." / "a.png"]
    assert found(again, tmp_path) == ["sub/c.jpg", "b.png", "a.png"]
    assert found([tmp_path / "notes.txt"], tmp_path) == ["notes.txt"]  # named, so looked at


def test_patterns(tmp_path):
    touch(tmp_path, "a.png", "b.jpg", "sub/a.png", "sub/deep/.hidden/c.png", "sub/x.txt")
    every = ["a.png", "sub/a.png", "sub/deep/.hidden/c.png"]
    assert found([f"{tmp_path}/**/*.png"], tmp_path) == every
    assert found([f"{tmp_path}/*.[jp][pn]g"], tmp_path) == ["a.png", "b.jpg"]
    assert found([f"{tmp_path}/s?b/x.*"], tmp_path) == ["sub/x.txt"]
    assert found([f"{tmp_path}/su*"], tmp_path) == ["sub/a.png", "sub/deep/.hidden/c.png"]
    for nothing in ("*.gif", "none/*.png", "**/*.gif"):
        with pytest.raises(InputError, match="no file matches"):
            files_in([f"{tmp_path}/{nothing}"])


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    touch(tmp_path, "a[1].png", "a1.png")
    assert found([f"{tmp_path}/a[1].png"], tmp_path) == ["a[1].png"]
    with pytest.raises(InputError, match="check its name"):
        files_in([tmp_path / "*.png"])  # a path is never a pattern


def test_links_that_go_in_circles_end(tmp_path):
    touch(tmp_path, "sub/a.png")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "sub" / "a.png")
    every = ["gone.png", "link.png", "self.png", "sub/a.png"]
    assert found([tmp_path], tmp_path) == every
    assert sorted(found([f"{tmp_path}/**/*.png"], tmp_path)) == every
    states = {Path(v.path).name: v.state for v in safegen.verify_tree([tmp_path])}
    assert states["self.png"] == states["gone.png"] == "unreadable"


def test_thousands_of_files(tmp_path):
    touch(tmp_path, *(f"{number % 7}/{number}.txt" for number in range(3000)), "a.png")
    assert found([tmp_path], tmp_path) == ["a.png"]


def test_names_from_a_list():
    assert names_in(b"a\nb\n") == (Path("a"), Path("b"))
    assert names_in(b"a\nb\0c\0", null=True) == (Path("a\nb"), Path("c"))
    assert names_in(b"\xff.png\n") == (Path("\udcff.png"),)
    assert names_in(b"") == ()


def test_names_that_are_no_text_are_shown_and_written(made, tmp_path):
    names = [b"\xff\xfe.png", b"line\nbreak.png", b"\x1b[2Kescape.png"]
    for name in names:
        shutil.copy(made.outputs / "0001.png", tmp_path / os.fsdecode(name))
    verdicts = safegen.verify_tree([tmp_path], trust=made.root)
    assert {verdict.state for verdict in verdicts} == {"trusted"}
    assert {Path(verdict.path).name for verdict in verdicts} == {
        "\\xff\\xfe.png",
        "line\nbreak.png",
        "\x1b[2Kescape.png",
    }
    for verdict in verdicts:
        assert json.loads(verdict.model_dump_json())["path"] == verdict.path
    assert shown("ä.png") == "ä.png"


def test_what_is_no_ordinary_file(made, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    shutil.copy(made.outputs / "0001.png", tmp_path / "folder.png" / "real.png")
    by_name = {Path(v.path).name: v for v in safegen.verify_tree([tmp_path], trust=made.root)}
    assert by_name["real.png"].state == "trusted"
    assert by_name["pipe.png"].state == "unreadable"
    assert by_name["pipe.png"].findings[0].codes == ("safegen.manifest.no-file",)
    with pytest.raises(InputError, match="is a folder"):
        safegen.verify(tmp_path / "folder.png")


def test_a_file_larger_than_memory_should_hold(tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(2**40)  # it takes no room on the disk
    verdict = safegen.verify(large)
    assert verdict.state == "unreadable"
    assert verdict.findings[0].codes == ("safegen.manifest.too-large",)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs to become nobody")
def test_what_may_not_be_read(made, tmp_path):
    shutil.copy(made.outputs / "0001.png", tmp_path / "barred.png")
    (tmp_path / "barred.png").chmod(0)
    (tmp_path / "folder").mkdir(mode=0)
    shutil.copy(made.root, tmp_path / "root.pem")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    code = (
        "import os, sys\n"
        "from safegen.pipeline.examine import examine\n"
        "from safegen.pipeline.files import files_in\n"
        "os.setuid(65534)\n"
        "for path in files_in([sys.argv[1]]): print(path.name, examine(path, None, None).text)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        "barred.png It cannot be read: permission denied.",
        "folder It cannot be read: permission denied.",
    ], done.stderr


@pytest.fixture
def output(made, tmp_path):
    for name in ("0001.png", "0001.receipt.json"):
        shutil.copy(made.outputs / name, tmp_path)
    return tmp_path / "0001.png"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"decisions": [' + b"{}," * 100_000,
        b"\xff\xfe",
        b"9" * 1_000_000,
        b'{"format": "safegen.receipt/2", "format": "safegen.receipt/1"}',
    ],
)
def test_receipts_that_are_bombs(made, output, content):
    output.with_name("0001.receipt.json").write_bytes(content)
    verdict = safegen.verify(output, trust=made.root)
    assert verdict.state == "invalid"
    assert verdict.text == "The receipt beside it does not stand: it cannot be read."


def test_a_receipt_of_a_hundred_megabytes(made, output):
    with output.with_name("0001.receipt.json").open("wb") as file:
        file.truncate(100 * 2**20)
    verdict = safegen.verify(output, trust=made.root)
    assert verdict.state == "invalid"
    assert "larger than any receipt" in verdict.text


def test_receipts_and_sidecars_that_are_folders(made, output):
    receipt = output.with_name("0001.receipt.json")
    receipt.unlink()
    receipt.mkdir()
    verdict = safegen.verify(output, trust=made.root)
    assert verdict.state == "invalid"  # something has the name of a receipt, and is none
    assert "it cannot be read" in verdict.text
    table = output.with_name("table.csv")
    table.write_text("1,2")
    output.with_name("table.csv.c2pa").mkdir()
    assert safegen.verify(table).state == "unsupported"
