"""Files that were released before there was an index are put into it, and found by it then."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from safegen.pipeline.index import index_released
from safegen.progress import silent
from safegen.provenance.log.ledger import Ledger
from safegen.verification.evidence import NamedLog
from safegen.verification.recovery.recover import recover
from tests.verification.recovery.copies import encoded

TABLES = ("fingerprints", "packed_fingerprints", "originals", "manifests")


@pytest.fixture
def old(made, tmp_path):
    """A ledger as an earlier version wrote it, and what it released."""
    shutil.copytree(made.outputs, tmp_path / "out")
    path = shutil.copy(made.ledger, tmp_path / "old.db")
    with sqlite3.connect(path) as connection:
        for table in TABLES:
            connection.execute(f"DROP TABLE {table}")
    return Path(path), tmp_path / "out"


def found_in(path, file):
    with Image.open(file) as picture:
        copy = encoded(picture)
    return recover("copy", copy, [NamedLog(name="old", log=Ledger(path, to_read=True))], None)


def test_earlier_files_are_found_once_they_are_indexed(old):
    path, outputs = old
    pictures = sorted(outputs.glob("*.png"))
    first = index_released(Ledger(path), [pictures[2]], silent)  # a later row before earlier ones
    assert (first.added, first.there, first.left_out) == (1, 0, ())
    rest = index_released(Ledger(path), pictures, silent)
    assert (rest.added, rest.there, rest.left_out) == (3, 1, ())
    for picture in pictures:
        (best, *_) = found_in(path, picture).matches
        assert best.file == picture.name


def test_what_is_not_whole_is_left_out_with_a_reason(old, made, tmp_path):
    path, outputs = old
    whole, alone, changed, edited = sorted(outputs.glob("*.png"))
    alone.with_suffix(".receipt.json").unlink()
    changed.write_bytes(changed.read_bytes() + b"\0")
    receipt = edited.with_suffix(".receipt.json")
    receipt.write_bytes(receipt.read_bytes().replace(b'"a test"', b'"a joke"'))
    Image.new("L", (9, 9)).save(outputs / "unsigned.png")
    found = index_released(Ledger(path), sorted(outputs.glob("*.png")), silent)
    assert found.added == 1
    told = dict(each.split(": ", 1) for each in found.left_out)
    assert "no C2PA manifest" in told[str(outputs / "unsigned.png")]
    assert "no receipt beside it" in told[str(alone)]
    assert "no entry of it" in told[str(changed)]
    assert "does not stand" in told[str(edited)]
    assert found_in(path, whole).matches[0].file == whole.name
