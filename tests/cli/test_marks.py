"""`safegen marks test` on a folder and on a package, typed as a user types it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from safegen.cli.commands import build
from safegen.errors import DataError, InputError
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.marks_test import MarksTest

runner = CliRunner()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    pictures = tmp_path / "mine"
    pictures.mkdir()
    for number in range(3):
        coarse = rng.uniform(40, 215, (7, 7, 3))
        blocks = np.kron(coarse, np.ones((4, 4, 1))).astype(np.uint8)
        Image.fromarray(blocks).save(pictures / f"{number}.png")
    return pictures


def test_a_folder_of_pictures_is_put_to_the_test(folder, tmp_path) -> None:
    out = tmp_path / "report"
    arguments = ["marks", "test", str(folder), "--out", str(out), "--pictures", "2", "--psnr", "34"]
    done = runner.invoke(build(), [*arguments, "--mode", "speed"])
    assert done.exit_code == 0, done.output
    assert "screenshot" in done.output
    report = MarksTest.model_validate(json.loads((out / "marks.json").read_bytes()))
    assert (report.source, report.pictures, report.size, report.channels) == ("mine", 2, "28x28", 3)
    assert report.survivals[0].id == 1
    page = (out / "marks.html").read_text()
    assert page.count("data:image/png;base64,") == 6
    assert "http" not in page.replace("http-equiv", "")  # it loads nothing


def test_samples_of_a_package_are_logged(made_apart, tmp_path) -> None:
    ledger, out = tmp_path / "ledger.db", tmp_path / "report"
    arguments = ["marks", "test", str(made_apart.model), "--trust", str(made_apart.root)]
    arguments += ["--keys", str(made_apart.keys), "--ledger", str(ledger), "--out", str(out)]
    with pytest.warns(UserWarning, match="leave unsigned"):
        done = runner.invoke(build(), [*arguments, "--pictures", "2", "--mode", "speed", "--json"])
    assert done.exit_code == 0, done.output
    report = MarksTest.model_validate(json.loads((out / "marks.json").read_bytes()))
    assert report.pictures + report.left_out == 2
    log = Ledger(str(ledger))
    assert ["a test of marks" in row.decode() for row in log.rows(before=len(log))] == [True]


def test_pictures_of_two_sizes_are_no_set(folder, tmp_path) -> None:
    Image.new("RGB", (30, 28), "red").save(folder / "x.png")
    done = runner.invoke(build(), ["marks", "test", str(folder), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, InputError)
    assert "x.png is not like" in str(done.exception)


def test_what_is_no_picture_is_named(folder, tmp_path) -> None:
    (folder / "1.png").write_bytes(b"text")
    done = runner.invoke(build(), ["marks", "test", str(folder), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, DataError)
    assert "1.png" in str(done.exception)


def test_an_empty_folder_is_told(tmp_path) -> None:
    done = runner.invoke(build(), ["marks", "test", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, InputError)
    assert "holds no pictures" in str(done.exception)
