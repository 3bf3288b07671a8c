"""What a notebook shows of models, releases and outputs; to look at a release lets nothing out."""

import base64
import re

import pytest

import safegen
from safegen.errors import StorageError, TamperedError
from safegen.pipeline.generate import generate as room
from safegen.pipeline.generate.shown import MAX_SHOWN
from safegen.provenance.log.ledger import Ledger

PURPOSE = "a <b>figure</b>"


@pytest.fixture
def release(model):
    return model.generate(3, label=7, seed=1, purpose=PURPOSE)


def test_to_look_at_a_release_lets_nothing_out(release, made):
    before = len(Ledger(made.ledger))
    assert "3 outputs</b>, which have not left" in release._repr_html_()
    assert (len(release), repr(release)[-13:]) == (3, "not left yet>")
    assert len(Ledger(made.ledger)) == before


def test_an_output_shows_its_own_picture_and_who_signed_it(release):
    output = release[1]
    [address] = re.findall(r"src='data:image/png;base64,([^']*)'", output._repr_html_())
    assert base64.b64decode(address) == output.data == output._repr_png_()
    assert "Content Credentials: trusted" in output._repr_html_()
    assert f"entry {output.receipt.proof.index + 1:,} of its log" in output._repr_html_()
    assert output.manifest.signer.split(" (")[0] in output._repr_html_()


def test_what_a_user_wrote_is_text_and_no_markup(release):
    html = release[0]._repr_html_()
    assert "<b>figure" not in html
    assert "&lt;b&gt;figure&lt;/b&gt;" in html


def test_a_release_is_the_sequence_of_its_outputs(release):
    assert [each.name for each in release] == list(release.names)
    assert release[-1] is release.outputs[2]
    assert release[:2] == release.outputs[:2]
    assert release.index(release[1]) == 1
    with pytest.raises(IndexError):
        release[3]


def test_what_has_left_is_shown_up_to_a_page_full(model):
    release = model.generate(MAX_SHOWN + 2, purpose="x", seed=2)
    assert len(release.outputs) == MAX_SHOWN + 2
    html = release._repr_html_()
    assert html.count("<figure") == MAX_SHOWN
    assert f"{MAX_SHOWN + 2} outputs</b>, the first {MAX_SHOWN} of which are" in html


def test_what_lies_in_its_folder_alone_is_not_shown(model, monkeypatch, tmp_path):
    monkeypatch.setattr(room, "PART", 2)
    release = model.generate(4, purpose="x", seed=2)
    release.save(tmp_path)
    assert "lie in their folder" in release._repr_html_()


def test_a_picture_that_no_browser_draws_is_told_in_words(model):
    [output] = model.generate(1, label=0, purpose="x", format="tiff")
    assert output._repr_png_() is None
    assert "<img" not in output._repr_html_()
    assert "Content Credentials: trusted" in output._repr_html_()


def test_a_model_shows_its_privacy(model):
    html = model._repr_html_()
    assert f"epsilon {model.certificate.epsilon:.4g}" in html
    assert model.digest in html


def test_a_saved_package_is_the_same_model(model, made, tmp_path):
    folder = model.save_pretrained(tmp_path / "deep" / "copy")
    assert {path.name for path in folder.iterdir()} == {path.name for path in made.model.iterdir()}
    again = safegen.Model.from_pretrained(
        folder, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger)
    )
    assert again.digest == model.digest
    assert [path.name for path in folder.parent.iterdir()] == ["copy"]


def test_nothing_is_replaced_by_a_saved_package(model, tmp_path):
    (tmp_path / "copy").mkdir()
    with pytest.raises(StorageError, match="is there already, and is never replaced"):
        model.save_pretrained(tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_package_that_was_changed_since_is_not_saved(made_apart, tmp_path):
    workspace = safegen.Workspace(keys=made_apart.keys, ledger=made_apart.ledger)
    model = safegen.load(made_apart.model, workspace=workspace)
    certificate = made_apart.model / "certificate.json"
    certificate.write_bytes(certificate.read_bytes() + b" ")
    with pytest.raises(TamperedError, match=r"certificate\.json is not what was packaged"):
        model.save_pretrained(tmp_path / "copy")
    assert list(tmp_path.glob("*")) == list(tmp_path.glob(".*")) == []
