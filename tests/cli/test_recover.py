"""`safegen recover` and `safegen ledger index`: sentences, JSON and exit codes."""

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest
from PIL import Image

from safegen.schemas.recovery import Recovery


def run(*arguments):
    command = [sys.executable, "-m", "safegen", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("copy") / "copy.webp"
    with Image.open(made.outputs / "0002.png") as picture:
        picture.save(path, lossless=True)
    return path


def test_a_copy_leads_to_its_release(made, copy):
    done = run("recover", copy, "--ledger", made.ledger, "--trust", made.root, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = [Recovery.model_validate(each) for each in json.loads(done.stdout)]
    assert (found.state, found.technique) == ("recovered", "watermark")
    assert found.matches[0].file == "0002.png"
    said = run("recover", copy, "--ledger", made.ledger).stdout
    assert "By its watermark this is a copy of 0002.png" in " ".join(said.split())


def test_a_foreign_picture_is_told_from_a_copy_by_the_exit_code(made, copy, tmp_path):
    foreign = tmp_path / "foreign.png"
    Image.effect_noise((64, 64), 90).save(foreign)
    done = run("recover", copy, foreign, "--ledger", made.ledger)
    assert done.returncode == 1
    assert "recovered" in done.stdout
    assert "nothing-found" in done.stdout


def test_wrong_use_is_told_in_a_sentence(made, copy, tmp_path):
    flat = tmp_path / "flat.png"
    Image.new("L", (28, 28), 9).save(flat)
    for arguments, why in (
        ([copy], "no ledger was named"),
        ([tmp_path / "none.png", "--ledger", made.ledger], "no file at"),
        ([flat, "--ledger", made.ledger], "one flat colour"),
    ):
        done = run("recover", *arguments)
        assert done.returncode == 2
        assert why in " ".join(done.stderr.split())


def test_earlier_releases_are_indexed_by_a_command(made, copy, tmp_path):
    old = shutil.copy(made.ledger, tmp_path / "old.db")
    with sqlite3.connect(old) as connection:
        for table in ("fingerprints", "packed_fingerprints", "originals", "manifests"):
            connection.execute(f"DROP TABLE {table}")
    before = run("recover", copy, "--ledger", old)
    assert before.returncode == 2
    assert "safegen ledger index" in " ".join(before.stderr.split())
    done = run("ledger", "index", old, made.outputs)
    assert "4 files indexed, 0 were before" in " ".join(done.stdout.split()), done.stderr
    assert run("recover", copy, "--ledger", old).returncode == 0
