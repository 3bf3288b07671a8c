"""A large release that was cut off goes on in another process, as the same release."""

import pytest

import safegen
from safegen.errors import InputError, StorageError
from safegen.pipeline.explain import read_explained
from safegen.pipeline.generate import generate as room
from safegen.provenance.log.ledger import Ledger

ASKED = {"purpose": "x", "label": 3}


class CutError(Exception):
    """The power goes."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(room, "PART", 2)


@pytest.fixture
def cut_off(model, tmp_path):
    """A release of 5, of which the first two parts are there."""

    def stop(stage, done, total):
        if stage == "explaining" and done == 5:
            raise CutError

    release = model.generate(5, **ASKED, seed=4, progress=stop)
    with pytest.raises(CutError):
        release.save(tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == 4
    return release


def test_only_what_is_missing_is_made_and_it_is_what_it_would_have_been(
    model, made, cut_off, tmp_path
):
    before = len(Ledger(made.ledger))
    release = model.generate(5, **ASKED, resume=tmp_path)
    assert (release.id, release.seed) == (cut_off.id, 4)
    (path,) = release.save(tmp_path)
    assert path.name == cut_off.names[4]
    assert len(Ledger(made.ledger)) == before + 1
    assert {each.name for each in tmp_path.glob("*.png")} == set(cut_off.names)
    verdicts = safegen.verify_tree([tmp_path], trust=made.root, ledger=made.ledger)
    assert [each.state for each in verdicts] == ["trusted"] * 5
    whole = model.generate(5, **ASKED, seed=4)
    again = read_explained(path)
    assert again.request.index == 4
    assert again.explanation.arrays.file == f"{cut_off.id}-003.safetensors"
    assert (again.attributions == whole.outputs[4].attributions).all()
    with pytest.raises(InputError, match="it is whole already"):
        model.generate(5, **ASKED, resume=tmp_path)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"count": 6}, "no release of 6 outputs was begun there"),
        ({"purpose": "y"}, "no release of 5 outputs was begun there"),
        ({"seed": 5}, "no release of 5 outputs was begun there"),
        ({"label": 4}, "was asked for otherwise"),
        ({"name": "{number:03}"}, "would now be called 001.png"),
        ({"format": "webp"}, "give the same name and format"),
    ],
)
def test_another_request_does_not_go_on_with_it(model, cut_off, tmp_path, asked, why):
    count = asked.pop("count", 5)
    with pytest.raises(InputError, match=why):
        model.generate(count, **(ASKED | asked), resume=tmp_path)


def test_a_file_that_was_changed_since_stops_it(model, cut_off, tmp_path):
    with (tmp_path / cut_off.names[1]).open("ab") as file:
        file.write(b"x")
    with pytest.raises(StorageError, match="is not what the release wrote there"):
        model.generate(5, **ASKED, resume=tmp_path)


def test_where_several_were_begun_the_seed_says_which(model, cut_off, tmp_path):
    def stop(stage, done, total):
        if stage == "explaining" and done == 4:
            raise CutError

    other = model.generate(5, **ASKED, seed=9, progress=stop)
    with pytest.raises(CutError):
        other.save(tmp_path)
    with pytest.raises(InputError, match=r"give the --seed: (4, 9|9, 4)"):
        model.generate(5, **ASKED, resume=tmp_path)
    assert len(model.generate(5, **ASKED, seed=9, resume=tmp_path)) == 3
