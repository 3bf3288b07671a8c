"""A screen of one's own needs its file and a line of YAML, and nothing else."""

import numpy as np
import pytest

import safegen
from safegen.errors import PolicyError, Refused
from safegen.provenance.log.ledger import Ledger
from safegen.screens import registry

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
