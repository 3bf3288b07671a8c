"""`sign` and `explain` read a stranger's file only after a process with limits has."""

import shutil

import pytest

import safegen
from safegen.errors import DataError, InputError, StorageError
from safegen.pipeline.explain import read_explained
from safegen.pipeline.gap import gap
from safegen.verification.stated_decisions import stated_decisions
from safegen.verification.unread import MAX_FILE_BYTES
from safegen.verification.workers import process

ACTOR = """
import json, os, signal, sys
from safegen.verification.unread import unread
from safegen.verification.workers import limits
for line in sys.stdin:
    name = json.loads(line)
    if isinstance(name, dict):  # a task
        print('"ready"', flush=True)
        continue
    if "crash" in name: os.kill(os.getpid(), signal.SIGSEGV)
    if "busy" in name:
        limits.MAX_PROCESSOR_SECONDS = 0
        limits.limit_time()
        while True: pass
    print(unread(name, "safegen.manifest.none", "no", "unsigned").model_dump_json(), flush=True)
"""
HARMS = {"crash.png": "broke C2PA's reader down", "busy.png": "seconds of processor time"}


@pytest.fixture
def actors(monkeypatch):
    """Processes that files break which are named so."""
    code = f"import sys; sys.path[:] = sys.argv[1:]; exec({ACTOR!r})"
    monkeypatch.setattr(process, "COMMAND", ("-c", code))


def house(made, folder):
    return safegen.Workspace(keys=made.keys, ledger=folder / "ledger.db")


@pytest.mark.parametrize(("name", "words"), HARMS.items())
def test_a_file_that_does_harm_is_neither_signed_nor_explained(made, tmp_path, actors, name, words):
    path = shutil.copy(made.outputs / "0001.png", tmp_path / name)
    before = path.read_bytes()
    with pytest.raises(DataError, match=f"in a process of its own, and is not read: .*{words}"):
        safegen.sign(path, workspace=house(made, tmp_path))
    assert path.read_bytes() == before
    with pytest.raises(DataError, match=words):
        read_explained(path)


@pytest.mark.parametrize(("name", "words"), HARMS.items())
def test_a_file_that_does_harm_is_asked_for_no_decision(made, tmp_path, actors, name, words):
    path = shutil.copy(made.outputs / "0001.png", tmp_path / name)
    with pytest.raises(DataError, match=words):
        stated_decisions(path, made.root)
    with pytest.raises(DataError, match=words):
        gap(path)


def test_what_it_was_made_from_is_tried_as_well(made, tmp_path, actors):
    parent = shutil.copy(made.outputs / "0001.png", tmp_path / "crash.png")
    path = shutil.copy(made.outputs / "0002.png", tmp_path / "a.png")
    with pytest.raises(DataError, match=r"crash\.png was tried"):
        safegen.sign(path, workspace=house(made, tmp_path), parent=parent)


def test_no_more_is_signed_than_can_be_verified(made, tmp_path, monkeypatch):
    path = shutil.copy(made.outputs / "0001.png", tmp_path / "a.png")
    with path.open("ab") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(DataError, match=r"268,435,457 bytes, and at most 268,435,456"):
        safegen.sign(path, workspace=house(made, tmp_path))
    assert MAX_FILE_BYTES == 2**28


def test_what_is_not_there_or_no_file_is_told_as_before(made, tmp_path):
    with pytest.raises(StorageError, match=r"cannot read .*none\.png"):
        safegen.sign(tmp_path / "none.png", workspace=house(made, tmp_path), source="algorithm")
    with pytest.raises(StorageError, match="is a directory"):
        read_explained(tmp_path)
    (tmp_path / "plain.txt").write_text("text")
    with pytest.raises(InputError, match="has no manifest"):
        safegen.sign(tmp_path / "plain.txt", workspace=house(made, tmp_path))
