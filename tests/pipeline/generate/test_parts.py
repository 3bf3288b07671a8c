"""Large releases are made part by part while they are saved, and forgotten."""

import gc
import weakref

import pytest

import safegen
from safegen.errors import InputError, Refused, SafegenError, StorageError
from safegen.explain.arrays import TENSOR
from safegen.pipeline.explain import made_again, read_explained
from safegen.pipeline.generate import generate as room
from safegen.provenance.log.ledger import Ledger


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(room, "PART", 2)


def there(folder):
    return {path.name for path in folder.glob("*.png")}


def test_parts_appear_one_after_another_and_all_is_there_at_the_end(model, made, tmp_path):
    before, seen = len(Ledger(made.ledger)), []

    def look(stage, done, total):
        seen.append((stage, done, total, len(there(tmp_path)), len(Ledger(made.ledger)) - before))

    release = model.generate(5, purpose="x", seed=4, progress=look)
    assert len(release) == 5
    assert seen[-1] == ("signing", 2, 5, 0, 0)  # only the first part is made, and nothing has left
    paths = release.save(tmp_path)
    signed = [(done, left, logged) for stage, done, _, left, logged in seen if stage == "signing"]
    assert signed == [(1, 0, 0), (2, 0, 0), (3, 2, 2), (4, 2, 2), (5, 4, 4)]
    assert [path.name for path in paths] == list(release.names)
    assert there(tmp_path) == set(release.names)
    assert len(Ledger(made.ledger)) == before + 5
    verdicts = safegen.verify_tree([tmp_path], trust=made.root, ledger=made.ledger)
    assert [verdict.state for verdict in verdicts] == ["trusted"] * 5
    kept = sorted(path.name for path in (tmp_path / "explanations").iterdir())
    assert kept == [f"{release.id}-{number:03}.safetensors" for number in (1, 2, 3)]


def test_each_output_says_where_its_numbers_are_and_is_made_again(model, made, tmp_path):
    for index, path in enumerate(model.generate(5, purpose="x", seed=4).save(tmp_path)):
        explained = read_explained(path)
        assert explained.request.index == index
        assert explained.explanation.arrays.row == index % 2
        again = made_again(explained, made.model)
        assert (again.same_sample, again.same_digest, again.farthest) == (True, True, 0)


def test_the_same_outputs_whether_made_at_once_or_in_parts(model, monkeypatch):
    in_parts = model.generate(5, purpose="x", seed=4).outputs
    monkeypatch.setattr(room, "PART", 256)
    at_once = model.generate(5, purpose="x", seed=4).outputs
    for one, other in zip(in_parts, at_once, strict=True):
        assert one.attributions == pytest.approx(other.attributions, abs=2e-5)
        assert one.receipt.request == other.receipt.request


def test_what_is_written_is_forgotten(model, tmp_path):
    release = model.generate(5, purpose="x")
    first = weakref.ref(release._parts[0])
    release.save(tmp_path)
    gc.collect()
    assert first() is None


def test_saved_again_nothing_changes_and_elsewhere_it_is_not(model, tmp_path):
    release = model.generate(5, purpose="x")
    paths = release.save(tmp_path / "one")
    found = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert release.save(tmp_path / "one") == paths
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == found
    with pytest.raises(InputError, match=r"5 outputs .* are kept there alone"):
        release.save(tmp_path / "two")
    with pytest.raises(InputError, match="kept there alone"):
        _ = release.outputs
    assert not (tmp_path / "two").exists()
    paths[1].write_bytes(b"another")
    with pytest.raises(StorageError, match="is not what this release wrote there"):
        release.save(tmp_path / "one")


def test_asked_for_in_memory_all_of_it_stays_there(model, made, tmp_path):
    before = len(Ledger(made.ledger))
    release = model.generate(5, purpose="x")
    assert [output.name for output in release.outputs] == list(release.names)
    for folder in ("one", "two"):
        release.save(tmp_path / folder)
        assert there(tmp_path / folder) == set(release.names)
    assert len(Ledger(made.ledger)) == before + 5


def test_what_stops_it_leaves_whole_parts_and_it_goes_on(model, made, monkeypatch, tmp_path):
    before, whole, calls = len(Ledger(made.ledger)), room.seal, []

    def failing(samples, *given):
        calls.append(samples)
        if len(calls) == 2:
            raise SafegenError("the key is gone")
        return whole(samples, *given)

    release = model.generate(5, purpose="x")
    monkeypatch.setattr(room, "seal", failing)
    calls.append("the first part")
    with pytest.raises(SafegenError, match="the key is gone"):
        release.save(tmp_path)
    assert there(tmp_path) == set(release.names[:2])
    assert len(Ledger(made.ledger)) == before + 2
    release.save(tmp_path)
    assert there(tmp_path) == set(release.names)
    assert len(Ledger(made.ledger)) == before + 5


def test_a_part_that_is_refused_is_logged_and_those_before_it_stay(model, monkeypatch, tmp_path):
    release = model.generate(5, purpose="x")
    whole = room.admit

    def refusing(policy, facts, *others):
        decision = whole(policy, facts, *others)
        raise Refused("no more", decision)

    monkeypatch.setattr(room, "admit", refusing)
    with pytest.raises(Refused, match="no more"):
        release.save(tmp_path)
    assert there(tmp_path) == set(release.names[:2])


def test_a_name_that_is_taken_refuses_before_anything_is_written(model, tmp_path):
    (tmp_path / "4.png").write_bytes(b"something")
    release = model.generate(5, purpose="x", name="{number}")
    with pytest.raises(StorageError, match=r"already holds 4\.png"):
        release.save(tmp_path)
    assert there(tmp_path) == {"4.png"}


def test_the_tensor_is_called_by_its_name(model, tmp_path):
    from safetensors.numpy import load_file

    release = model.generate(3, purpose="x")
    release.save(tmp_path)
    tensors = load_file(tmp_path / "explanations" / f"{release.id}-001.safetensors")
    assert {name: value.shape for name, value in tensors.items()} == {TENSOR: (2, 16, 17)}
