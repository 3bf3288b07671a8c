"""Which files are looked at, and files that are made to do harm."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import safegen
from safegen import storage
from safegen.errors import InputError, StorageError
from safegen.pipeline.sign import sign
from safegen.provenance.log.ledger import Ledger
from safegen.verification.discovery import files_in, look_through, names_in, shown
from safegen.verification.unsigned_files import not_covered


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


def test_lists_as_other_systems_write_them():
    assert names_in(b"a\r\nb\r\n\r\nc") == (Path("a"), Path("b"), Path("c"))
    assert names_in(b"\xef\xbb\xbfa\nb") == (Path("a"), Path("b"))
    assert names_in(b"a\r\0", null=True) == (Path("a\r"),)  # a name that really ends so
    for other in ("a\n".encode("utf-16"), b"a\0b\0"):
        with pytest.raises(InputError, match="give --null where they separate names"):
            names_in(other)


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
        "from safegen.verification.one_file import verify_file\n"
        "from safegen.verification.discovery import files_in\n"
        "os.setuid(65534)\n"
        "for path in files_in([sys.argv[1]]): print(path.name, verify_file(path, None).text)\n"
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


def test_a_folder_is_looked_through_by_first_bytes(media, covered, tmp_path):
    """Whatever a file is called: nothing that can be signed is passed over."""
    kinds = {**media, **covered}
    for other in ("text/csv", "application/json", "application/octet-stream", "application/zip"):
        (tmp_path / f"{other.replace('/', '_')}.data").write_bytes(kinds.pop(other))
    for mime, content in kinds.items():
        (tmp_path / mime.replace("/", "_").replace("+", "_")).write_bytes(content)
        (tmp_path / f"{mime.replace('/', '_')}.c2pa").write_bytes(content)  # renamed
    looked = look_through([tmp_path])
    assert len(looked.files) == 2 * len(kinds)
    assert [path.suffix for path in looked.passed_over] == [".data"] * 4


def test_archives_that_hold_a_manifest(made, covered, signer, tmp_path):
    from safegen.provenance.c2pa import claims, manifest

    claim = claims.created_claim(
        title="x", mime="application/x-zip", source_type=claims.SOURCE_TYPES["digital-creation"]
    )
    signed, _ = manifest.sign(covered["application/zip"], claim, signer)
    names = ("a.zip", "book.epub", "text.docx", "no-name", "cut.zip")
    for name in names:
        (tmp_path / name).write_bytes(signed)
    (tmp_path / "text.docx").write_bytes(signed.replace(b"words", b"sword"))
    (tmp_path / "cut.zip").write_bytes(signed[:-22])  # without its end, no archive any more
    (tmp_path / "plain.zip").write_bytes(covered["application/zip"])
    (tmp_path / "empty").write_bytes(b"PK\x05\x06" + bytes(18))
    verdicts = safegen.verify_tree([tmp_path], trust=made.root)
    states = {Path(verdict.path).name: verdict.state for verdict in verdicts}
    assert states.pop("cut.zip") != "trusted"
    assert states == dict.fromkeys(names[:4], "trusted") | {"text.docx": "invalid"}
    left = {path.name for path in look_through([tmp_path]).passed_over}
    assert left == {"plain.zip", "empty"}


def test_a_tampered_file_of_any_name_is_not_passed_over(made, covered, pdf_with, tmp_path):
    from safegen.provenance.c2pa import claims, manifest
    from safegen.provenance.keys.opener import open_signer

    claim = claims.created_claim(
        title="x", mime="application/pdf", source_type=claims.SOURCE_TYPES["digital-creation"]
    )
    store, _ = manifest.sign_beside(b"other", claim, open_signer(made.keys))
    shutil.copy(made.outputs / "0001.png", tmp_path / "good.png")
    (tmp_path / "paper").write_bytes(pdf_with(store))
    states = [verdict.state for verdict in safegen.verify_tree([tmp_path], trust=made.root)]
    assert states == ["trusted", "invalid"]


def test_a_name_that_does_not_fit_is_told_and_changes_no_state(made, tmp_path):
    for name in ("picture.jpg", "picture.c2pa", "picture"):
        shutil.copy(made.outputs / "0001.png", tmp_path / name)
    notes = {}
    for verdict in safegen.verify_tree([tmp_path], trust=made.root):
        assert verdict.state == "trusted"
        notes[Path(verdict.path).name] = verdict.notes
    assert notes == {
        "picture": (),
        "picture.jpg": ("Its name says JPEG, and its bytes are PNG.",),
        "picture.c2pa": ("Its name says a C2PA manifest, and its bytes are PNG.",),
    }


def test_what_is_passed_over_is_named_but_for_what_a_verdict_covers(made, tmp_path):
    shutil.copytree(made.outputs, tmp_path / "out")
    shutil.copytree(made.model, tmp_path / "model")
    touch(tmp_path, "out/notes.txt", "out/lost.csv.c2pa", "out/0009.receipt.json")
    looked = look_through([tmp_path])
    verdicts = safegen.verify_tree(looked.files, trust=made.root)
    left = [path.relative_to(tmp_path).as_posix() for path in not_covered(looked, verdicts)]
    assert left == [  # and not the numbers of explanations, whose digest the outputs sign
        "model/README.md", "model/digests.json", "out/0009.receipt.json", "out/lost.csv.c2pa",
        "out/notes.txt",
    ]  # fmt: skip


def long(size, suffix):
    """A name of that many bytes."""
    return "ä" * ((size - len(suffix)) // 2) + "n" * ((size - len(suffix)) % 2) + suffix


@pytest.mark.parametrize("size", [*range(239, 256, 2), 240, 242, 251, 254])
def test_names_as_long_as_there_are(made, tmp_path, size):
    """What lies beside a file would have a longer name than can be; so nothing does."""
    path = tmp_path / long(size, ".png")
    shutil.copy(made.outputs / "0001.png", path)
    for verdict in (
        safegen.verify(path, trust=made.root),
        *safegen.verify_tree([tmp_path], trust=made.root),
    ):
        assert verdict.state == "trusted"
        assert verdict.findings[-3].codes[0] == "safegen.ledger.none"
    own = {"keys": made.keys, "ledger": tmp_path / "ledger.db"}
    sign(path, **own)
    assert safegen.verify(path, trust=made.root).state == "trusted"
    out = tmp_path / "sub" / path.name
    sign(path, out=out, **own)
    assert safegen.verify(out, trust=made.root).state == "trusted"
    assert sorted(each.name for each in out.parent.iterdir()) == [path.name]


def test_a_name_too_long_for_a_manifest_beside_it_is_refused_before_anything_is_written(
    made, tmp_path
):
    own = {"keys": made.keys, "ledger": tmp_path / "ledger.db", "source": "model-data"}
    fits, long_one = tmp_path / long(250, ".csv"), tmp_path / long(251, ".csv")
    fits.write_text("1,2")
    long_one.write_text("3,4")
    sign(fits, **own)
    assert safegen.verify(fits, trust=made.root).state == "trusted"
    with pytest.raises(
        StorageError, match=r"would lie beside it.*names have 255 at most"
    ) as raised:
        sign(long_one, **own)
    assert str(raised.value).endswith("choose a shorter one")
    assert long_one.read_text() == "3,4"
    assert Ledger(own["ledger"]).check(anchors=None).entries == 1
    assert safegen.verify(long_one).state == "unsupported"
    beyond = tmp_path / long(256, ".png")
    with pytest.raises(StorageError, match="no file can be called"):
        sign(made.outputs / "0001.png", out=beyond, keys=made.keys, ledger=own["ledger"])
    with pytest.raises(InputError, match="no file or folder"):
        safegen.verify(beyond)


def test_a_receipt_that_names_a_file_of_a_name_that_cannot_be(made, output):
    receipt = output.with_name("0001.receipt.json")
    said = json.loads(receipt.read_bytes())
    receipt.write_text(json.dumps(said | {"file": "0001." + "a" * 400}))
    assert safegen.verify(output, trust=made.root).state == "invalid"


def test_what_lies_in_a_package_and_nobody_signed(made, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(made.model, folder)
    weights = folder / "weights.safetensors"
    touch(folder, "model.pkl", "code/evil.py", "\x1b[2K")
    verdict = safegen.verify(weights, trust=made.root)
    assert verdict.state == "trusted"
    (note,) = verdict.notes
    assert note.startswith("Its manifest does not speak of all that lies in its folder: ")
    assert note.endswith("\x1b[2K, code, model.pkl.")
    for name in ("model.pkl", "\x1b[2K"):
        (folder / name).unlink()
    shutil.rmtree(folder / "code")
    verdict = safegen.verify(weights, trust=made.root)
    assert verdict.notes == ()  # its card is no cause for a warning, and not passed over either
    assert "README.md, is for people, and nobody signed it" in verdict.findings[0].text
    (folder / "README.md").unlink()
    assert "README.md" not in safegen.verify(weights, trust=made.root).findings[0].text


@pytest.mark.parametrize("letter", ["n", "ä", "あ", "😀"])
def test_a_file_of_the_longest_name_is_written_through_a_shorter_one(tmp_path, letter):
    """What it is called meanwhile must fit, too, in bytes."""
    path = tmp_path / (letter * (255 // len(letter.encode())))
    storage.write(path, b"words")
    assert path.read_bytes() == b"words"
    path.unlink()
    with storage.new_file(path) as meanwhile:
        meanwhile.write_bytes(b"others")
    assert path.read_bytes() == b"others"
