"""A policy's label is drawn into what leaves, signed, measured, and made again."""

import numpy as np
import pytest

import safegen
from safegen.config.workspace import Workspace
from safegen.errors import PolicyError, Refused, RequestError
from safegen.modality.image import pixels_of
from safegen.pipeline.explain import made_again, read_explained
from safegen.pipeline.gap import gap
from safegen.policy.load import load_policies, load_policy
from safegen.provenance.c2pa import claims
from safegen.provenance.c2pa.manifest import read as read_manifest

POLICY = """
name: NAME
description: A label.
extends: baseline
label: {LABEL}
rules:
  - {id: says, stage: release, require: marks.label_text == "AI", because: It says AI.}
"""


@pytest.fixture
def write(tmp_path):
    def write(label="", name="shown", text=POLICY):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text.replace("LABEL", label).replace("NAME", name))
        return path

    return write


@pytest.fixture
def loaded(made, tmp_path):
    def loaded(policy):
        place = Workspace(keys=made.keys, ledger=tmp_path / "ledger.db")
        return safegen.load(made.model, workspace=place, policy=policy)

    return loaded


def ask(model, **told):
    return model.generate(2, **({"purpose": "x", "label": 1, "seed": 0} | told))


def test_what_leaves_shows_it_and_its_manifest_says_so(made, loaded, write, tmp_path):
    plain = ask(loaded("baseline"), watermark="none").outputs[0].data
    release = ask(loaded(write()), explain="full", watermark="none")
    paths = release.save(tmp_path / "out")
    labelled = pixels_of(paths[0].read_bytes()).astype(int)
    rows, columns = np.nonzero((labelled != pixels_of(plain)).any(0))
    assert labelled[:, rows, columns].max() == 255
    half = labelled.shape[1] / 2
    assert (rows > half).all()
    manifest = read_manifest(paths[0].read_bytes(), "image/png")
    (label,) = manifest.said(claims.LABEL)
    assert (label["text"], label["height"]) == ("AI", 7)
    assert label["contrast"] >= 4.5
    (said,) = manifest.said("c2pa.actions.v2")
    assert [each["action"] for each in said["actions"]] == ["c2pa.created", "c2pa.addedText"]
    verdict = safegen.verify(paths[0], trust=made.root, ledger=tmp_path / "ledger.db")
    assert verdict.state == "trusted", verdict
    outcomes = {
        each.rule: each.outcome for each in release.outputs[0].receipt.decisions[1].findings
    }
    assert outcomes["visible-label"] == outcomes["says"] == "passed"
    rows = {row.rule: row.state for row in gap(paths[0], policy=write(), trust=made.root).rows}
    assert rows["visible-label"] == "met"


@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_explaining_makes_it_again_with_its_label(made, loaded, write, tmp_path, name):
    (path, _) = ask(loaded(write("position: top, share: 0.3")), format=name).save(tmp_path / "out")
    explained = read_explained(path)
    assert explained.label.position == "top"
    again = made_again(explained, made.model)
    assert again.same_sample
    assert again.agrees


def test_screens_see_what_was_generated_and_not_the_label(loaded, write, monkeypatch):
    from safegen.pipeline.generate import generate

    seen, measure = [], generate.measure_bound

    def watched(screens, batch):
        seen.append(batch.samples)
        return measure(screens, batch)

    monkeypatch.setattr(generate, "measure_bound", watched)
    (with_label, _) = ask(loaded(write()), watermark="none").outputs
    (without, _) = ask(loaded("baseline"), watermark="none").outputs
    assert (seen[0] == seen[1]).all()
    assert (pixels_of(without.data) == seen[0][0]).all()
    assert (pixels_of(with_label.data) != seen[0][0]).any()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("text: made by a machine", "97 pixels wide"),
        ("share: 0.1", "cannot be read below 7"),
        ("text: AI生成", "has no shape"),
    ],
)
def test_what_could_not_be_read_is_refused_before_anything_is_made(
    loaded, write, monkeypatch, label, words
):
    model = loaded(write(label))
    monkeypatch.setattr(model._generator, "draw", None)
    with pytest.raises(RequestError, match=words):
        ask(model)


def test_a_label_that_does_not_stand_out_in_the_file_is_refused(loaded, write):
    with pytest.raises(Refused, match="visible-label: Every output shows the label AI, with a"):
        ask(loaded(write("contrast: 21.0")), format="jpeg")


def test_another_text_than_a_rule_wants_is_refused_before_anything_is_made(
    loaded, write, monkeypatch
):
    model = loaded(write("text: KI"))
    monkeypatch.setattr(model._generator, "draw", None)
    with pytest.raises(Refused, match="says: It says AI"):
        ask(model)


def test_of_several_the_largest_holds_and_two_texts_are_refused(write):
    one, two = write("share: 0.3, contrast: 7.0"), write("share: 0.4, text: AI", "two")
    both = load_policies([one, two])
    assert (both.label.share, both.label.contrast, both.label.text) == (0.4, 7.0, "AI")
    with pytest.raises(PolicyError, match="another text, 'AI' and 'KI'"):
        load_policies([two, write("text: KI", "three")])


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("share: 0.2", r"label.share.*base asks for 0.3"), ("contrast: 3.0", "asks for 7.0"),
        ("share: 0", r"label.share: expected a number above 0"), ("txt: AI", "did you mean text"),
        ("position: middle", "'middle' is no choice"), ("contrast: 22", "at most 21"),
    ],
)  # fmt: skip
def test_a_label_that_is_none_or_loosens_does_not_load(write, label, words):
    write("share: 0.3, contrast: 7.0", "base")
    with pytest.raises(PolicyError, match=words):
        load_policy(write(label, text=POLICY.replace("baseline", "base.yaml")))
