"""A verdict with what the manifest says, and names that tell strangers nothing of a machine."""

import json

import pytest

from safegen.provenance.c2pa import claims
from safegen.verification.options import VerificationOptions
from safegen.verification.told import MAX_SHOWN_LETTERS
from safegen.verification.verify import inspect, verify


def test_the_verdict_is_that_of_verify(made):
    path, options = made.outputs / "0001.png", VerificationOptions(trust=made.root)
    assert inspect(path, options=options).verdict == verify(path, options=options)


def test_what_the_manifest_says_is_told_with_whose_word_it_is(made):
    found = inspect((made.outputs / "0001.png").read_bytes(), name="sent.png", trust=made.root)
    said = json.loads(found.manifest)
    assert said["generator"] == "safegen"
    by_label = {each["label"]: each for each in said["statements"]}
    assert by_label[claims.REQUEST]["data"]["purpose"] == "a test"
    assert by_label[claims.PRIVACY]["created"] is True
    assert any(each["statements"] for each in said["ancestors"])


def test_a_file_without_a_manifest_says_nothing():
    assert inspect(b"no picture", name="a.png").manifest is None


def test_a_manifest_of_a_changed_file_is_told_and_called_invalid(made):
    data = bytearray((made.outputs / "0001.png").read_bytes())
    data[-20] ^= 1
    found = inspect(bytes(data), trust=made.root)
    assert found.verdict.state == "invalid"
    assert json.loads(found.manifest)["statements"]


def test_a_manifest_too_long_to_show_is_left_out(made, monkeypatch):
    from safegen.verification import told
    from safegen.verification.one_file import inspect_file

    assert MAX_SHOWN_LETTERS > 100_000
    monkeypatch.setattr(told, "MAX_SHOWN_LETTERS", 100)
    found = inspect_file(made.outputs / "0001.png", None)
    assert (found.manifest, found.verdict.state) == (None, "valid")


@pytest.mark.parametrize("ledger", ["ledger", "no-such"])
def test_a_discreet_verdict_names_no_folder(made, ledger):
    """Lists and logs by their file's name; a verdict of any other kind names them whole."""
    place = made.folder / f"{ledger}.db"
    if ledger == "no-such":
        from safegen.provenance.log.ledger import Ledger

        Ledger(place)
    data = (made.outputs / "0001.png").read_bytes()
    choices = {"trust": made.root, "time_trust": made.root, "ledger": place}
    told = verify(data, discreet=True, **choices).model_dump_json()
    assert str(made.folder) not in told
    assert '"trusted_by":"root.pem"' in told
    assert str(made.folder) in verify(data, **choices).model_dump_json()
