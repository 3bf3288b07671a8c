"""The numbers of explanations are held against what was signed, without a library of numbers."""

import shutil
import subprocess
import sys

import pytest
import safetensors.numpy

import safegen
from safegen.schemas.names import EXPLANATIONS


@pytest.fixture
def released(made, tmp_path):
    folder = tmp_path / "outputs"
    shutil.copytree(made.outputs, folder)
    return folder


def numbers_in(folder):
    (path,) = (folder / EXPLANATIONS).glob("*.safetensors")
    return path


def states(made, folder):
    verdicts = safegen.verify_tree([folder], trust=made.root, ledger=made.ledger)
    return {
        each.path.rpartition("/")[2]: each for each in verdicts if EXPLANATIONS not in each.path
    }


def test_one_number_changed_is_found_in_the_output_whose_it_is(made, released):
    path = numbers_in(released)
    arrays = safetensors.numpy.load_file(path)
    arrays["attributions"][2, 3, 4] += 1e-3
    safetensors.numpy.save_file(arrays, path)
    found = states(made, released)
    told = found["0003.png"].model_dump_json()
    assert "numbers in explanations/" in told
    assert "are not those signed" in told
    assert found["0003.png"].state != "trusted"
    assert {found[name].state for name in ("0001.png", "0002.png", "0004.png")} == {"trusted"}


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}", b"\x02\0\0\0\0\0\0\0[]"]
)
def test_what_are_no_numbers_is_found(made, released, content):
    numbers_in(released).write_bytes(content)
    assert {each.state for each in states(made, released).values()} != {"trusted"}


def test_without_numbers_an_output_is_what_it_was(made, released):
    numbers_in(released).unlink()
    assert {each.state for each in states(made, released).values()} == {"trusted"}


def test_looked_at_they_are_not_called_passed_over(made, released):
    (released / "notes.txt").write_text("mine")
    (released / EXPLANATIONS / "other.safetensors").write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-m", "safegen", "verify", str(released), "--trust", str(made.root)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = " ".join((done.stdout + done.stderr).split())
    assert "Not looked at" in told
    assert numbers_in_name(released) not in told
    assert "other.safetensors" in told


def numbers_in_name(folder):
    (path,) = (
        each for each in (folder / EXPLANATIONS).glob("*.safetensors") if each.stem != "other"
    )
    return path.name
