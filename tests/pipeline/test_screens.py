"""A screen of one's own needs its file and a line of YAML, and nothing else."""

import numpy as np
import pytest

import safegen
from safegen.errors import PolicyError, Refused
from safegen.models.generator import LatentDraw
from safegen.pipeline.generate import generate as making
from safegen.pipeline.generate.statistics import released_statistics
from safegen.provenance.log.ledger import Ledger
from safegen.screens import registry
from safegen.screens.classifier import Classifier
from safegen.screens.measure import measure
from safegen.screens.ready.distribution import DistributionDistance
from safegen.screens.screen import Batch
from tests.screens.networks import settings, trained, write_classifier

POLICY = """
name: sharp
description: Every sample is sharp, and a seven looks like one.
rules:
  - {id: any, stage: request, require: "true", because: Anybody may ask.}
  - id: sharp
    stage: release
    require: output.screens.sharpness > %s
    because: It is sharp.
"""


class Sharpness:
    """Mean difference between neighbours."""

    name = "sharpness"
    seen = None

    def measure(self, batch):
        type(self).seen = batch
        return np.abs(np.diff(batch.samples.astype(float), axis=-1)).mean(axis=(1, 2, 3))


@pytest.fixture
def sharpness(monkeypatch):
    monkeypatch.setattr(registry, "_KNOWN", dict(registry.registered()))
    return registry.register(type("Sharpness", (Sharpness,), {}))


def opened(made, tmp_path, at_least):
    (tmp_path / "sharp.yaml").write_text(POLICY % at_least)
    return safegen.load(
        made.model, keys=made.keys, ledger=tmp_path / "l.db", policy=tmp_path / "sharp.yaml"
    )


def test_a_screen_through_the_seam_alone_sees_the_batch_and_what_was_asked(
    made, tmp_path, sharpness
):
    release = opened(made, tmp_path, 0.0).generate(3, label=7, seed=1, purpose="x")
    seen = sharpness.seen
    assert (len(seen), seen.samples.dtype) == (3, np.uint8)
    assert [request.label for request in seen.requests] == [7, 7, 7]
    assert [request.index for request in seen.requests] == [0, 1, 2]
    (finding,) = release.outputs[0].receipt.decisions[-1].findings
    assert (finding.rule, finding.outcome) == ("sharp", "passed")


def test_the_screen_s_score_is_what_the_rule_judges(made, tmp_path, sharpness):
    with pytest.raises(Refused, match="sharp: It is sharp"):
        opened(made, tmp_path, 254.0).generate(1, purpose="x")
    assert sharpness.seen is not None


def test_a_screen_that_fails_lets_nothing_out_and_is_named(made, tmp_path, sharpness, monkeypatch):
    monkeypatch.setattr(sharpness, "measure", lambda _, batch: [float("nan")] * len(batch))
    loaded = opened(made, tmp_path, 0.0)
    with pytest.raises(Refused, match="screen sharpness says nothing: its score is nan"):
        loaded.generate(1, purpose="x")
    assert len(Ledger(tmp_path / "l.db")) == 1  # the refusal


def test_only_screens_that_a_rule_speaks_of_are_asked(made, tmp_path, sharpness):
    safegen.load(made.model, keys=made.keys, ledger=tmp_path / "l.db").generate(1, purpose="x")
    assert sharpness.seen is None


def test_without_the_screen_its_policy_does_not_load(made, tmp_path):
    with pytest.raises(PolicyError, match=r"undeclared reference to 'output\.screens\.sharpness'"):
        opened(made, tmp_path, 0.0)


CLASSIFIER = """
name: no-sevens
description: Sevens stay inside.
screens:
  seven:
    file: digits.onnx
    digest: %s
    classifier:
      input: {size: [8, 8], colours: grey}
      labels: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
      forbidden: ["7"]
    threshold: %s
rules:
  - {id: any, stage: request, require: request.count < 9, because: Anybody may ask for a few.}
  - id: decent
    stage: release
    require: output.screens.seven <= screens.seven.threshold
    because: It does not look like a seven.
"""


def with_classifier(made, tmp_path, threshold, digest=None):
    found = write_classifier(tmp_path / "digits.onnx")
    (tmp_path / "p.yaml").write_text(CLASSIFIER % (digest or found, threshold))
    return safegen.load(
        made.model, keys=made.keys, ledger=tmp_path / "l.db", policy=tmp_path / "p.yaml"
    )


def test_a_classifier_in_a_policy_lets_out_what_is_under_its_threshold(made, tmp_path):
    release = with_classifier(made, tmp_path, 1.0).generate(2, label=3, seed=1, purpose="x")
    decision = release.outputs[0].receipt.decisions[-1]
    assert [finding.outcome for finding in decision.findings] == ["passed"]
    (screen,) = decision.screens
    assert (screen.name, screen.file_digest) == (
        "seven",
        write_classifier(tmp_path / "digits.onnx"),
    )
    assert screen.digest not in {screen.file_digest, "unknown"}
    with pytest.raises(Refused, match="decent: It does not look like a seven"):
        with_classifier(made, tmp_path, 0.0).generate(2, label=3, seed=1, purpose="x")


def test_a_classifier_of_another_digest_is_refused_before_anything_is_made(made, tmp_path):
    with pytest.raises(PolicyError, match=r"digits\.onnx is not the file that was declared"):
        with_classifier(made, tmp_path, 1.0, digest="sha256:" + "0" * 64)
    assert not (tmp_path / "l.db").exists()


def test_a_classifier_that_is_replaced_later_changes_nothing_for_a_loaded_model(made, tmp_path):
    loaded = with_classifier(made, tmp_path, 1.0)
    before = loaded.generate(1, seed=1, purpose="x").outputs[0].receipt.decisions[-1].screens
    weights, biases = trained()
    write_classifier(tmp_path / "digits.onnx", weights=-weights, biases=biases)
    after = loaded.generate(1, seed=1, purpose="x").outputs[0].receipt.decisions[-1].screens
    assert before == after


def test_a_screen_that_is_not_what_it_was_when_the_policy_was_loaded_is_refused(made, tmp_path):
    write_classifier(tmp_path / "digits.onnx")
    screen = Classifier("sharpness", tmp_path / "digits.onnx", settings())
    (tmp_path / "p.yaml").write_text(POLICY % "-1.0")
    loaded = safegen.load(
        made.model, keys=made.keys, ledger=tmp_path / "l.db", policy=tmp_path / "p.yaml",
        screens=[screen],
    )  # fmt: skip
    loaded.generate(1, purpose="x")
    screen.settings = settings(forbidden=("1",))
    with pytest.raises(Refused, match="screen sharpness says nothing: it is another screen than"):
        loaded.generate(1, purpose="x")


def test_another_screen_that_is_registered_by_the_name_later_is_not_asked(
    made, tmp_path, sharpness, monkeypatch
):
    loaded = opened(made, tmp_path, 0.0)
    monkeypatch.setitem(registry._KNOWN, "sharpness", type("Other", (Sharpness,), {})())
    loaded.generate(1, purpose="x")
    assert sharpness.seen is not None


WITHIN = """
name: within
description: A release repeats nothing, has not collapsed, and is what the package makes usual.
rules:
  - {id: any, stage: request, require: request.count < 999, because: Anybody may ask.}
  - id: within
    stage: release
    require: output.screens.%s
    because: It is itself.
"""


def within(made, tmp_path, asked):
    (tmp_path / "within.yaml").write_text(WITHIN % asked)
    return safegen.load(
        made.model, keys=made.keys, ledger=tmp_path / "l.db", policy=tmp_path / "within.yaml"
    )


def test_duplicates_are_found_over_the_parts_of_a_release(made, tmp_path, monkeypatch):
    """The second part makes what the first made; it is refused when its turn comes."""
    monkeypatch.setattr(making, "PART", 2)
    rows = LatentDraw.rows
    monkeypatch.setattr(LatentDraw, "rows", lambda self, _: rows(self, slice(0, 2)))
    release = within(made, tmp_path, "nearest_distance > 0.0").generate(
        4, label=1, seed=1, purpose="x"
    )
    with pytest.raises(Refused, match="within: It is itself"):
        release.save(tmp_path / "out")


def test_different_outputs_are_let_out_part_by_part(made, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "PART", 2)
    loaded = within(made, tmp_path, "nearest_distance > 0.0 && output.screens.diversity > 0.0")
    paths = loaded.generate(5, seed=1, purpose="x").save(tmp_path / "out")
    assert len(paths) == 5


def test_what_is_usual_is_near_what_the_package_released(made, tmp_path):
    loaded = within(made, tmp_path, "distribution_distance < 3.0")
    loaded.generate(10, seed=1, purpose="x")
    strict = within(made, tmp_path, "distribution_distance < 0.1")
    with pytest.raises(Refused, match="within: It is itself"):
        strict.generate(10, seed=1, purpose="x")


def test_what_is_far_from_what_was_released_is_told_from_what_is_near(made, tmp_path):
    loaded = within(made, tmp_path, "contrast > 0.0")
    usual = released_statistics(loaded._generator)
    request = loaded.generate(1, label=3, seed=1, purpose="x").outputs[0].receipt.request
    near = np.floor(usual.means[3] * 255 + 0.5).astype(np.uint8)
    samples = np.stack([near, 255 - near])
    batch = Batch(samples=samples, requests=(request, request), statistics=usual)
    nearby, far = DistributionDistance().measure(batch)
    assert nearby < 0.1
    assert far > 5


def test_without_a_package_nothing_is_said_of_what_is_usual():
    samples = np.zeros((1, 1, 4, 4), dtype=np.uint8)
    (seen,) = measure([DistributionDistance()], Batch(samples=samples, requests=()))
    assert "nobody says what is usual" in seen.failures["distribution_distance"]
