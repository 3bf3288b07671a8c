"""Marks in what is released: registered, read back, stated, and never missing without a word."""

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image

import safegen
from safegen.errors import Refused, RequestError
from safegen.marks.detect import chance
from safegen.modality.image import FORMATS, ImageModality, pixels_of
from safegen.pipeline.explain import made_again, read_explained
from safegen.pipeline.generate import marking
from safegen.pipeline.generate.marking import Marking, marking_of
from safegen.provenance.log.ledger import Ledger
from safegen.schemas.card import PictureShape
from safegen.schemas.watermark import WatermarkRecord
from safegen.verification.evidence import NamedLog
from safegen.verification.recovery.recover import recover

STRICT = """
name: marked
description: Nothing leaves without a mark.
rules:
  - {id: mark, stage: release, require: marks.watermark && marks.read_back && marks.psnr >= 30.0,
     because: copies must be found again}
"""


@pytest.fixture
def own(made, tmp_path):
    """A model with a ledger of its own."""
    ledger = shutil.copy(made.ledger, tmp_path / "own.db")
    workspace = safegen.Workspace(keys=made.keys, ledger=ledger)
    return safegen.load(made.model, workspace=workspace), ledger


def without_manifest(data, format="PNG", **options):  # noqa: A002 - Pillow's word
    file = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        picture.convert("RGB").save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_both_layers_hold_in_every_format(own, format):  # noqa: A002 - as everywhere
    model, ledger = own
    release = model.generate(3, purpose="a test", seed=7, format=format)
    outputs, log = release.outputs, NamedLog(name="own.db", log=Ledger(ledger, to_read=True))
    carried = 0
    for output in outputs:
        said = output.manifest.said("org.safegen.watermark")
        if not said:
            assert release.unmarked
            continue
        carried += 1
        record = WatermarkRecord.model_validate(said[0])
        bindings = {each["alg"]: each for each in output.manifest.said("c2pa.soft-binding")}
        assert set(bindings) == {"io.iscc.v0", record.algorithm}
        value = base64.b64decode(bindings[record.algorithm]["blocks"][0]["value"])
        assert int.from_bytes(value) == record.id
        read = chance(pixels_of(output.data), [record.id], record.key, algorithm=record.algorithm)
        assert read[0] <= 1e-6
        found = recover("copy", without_manifest(output.data), [log], None)
        assert found.matches, (found, read)
        assert (found.technique, found.matches[0].file) == ("watermark", output.name)
        assert found.matches[0].distance is None
    assert carried


def test_explanations_find_the_same_marked_sample_again(own, made, tmp_path):
    model, _ = own
    for mode in ("speed", "quality"):
        (path,) = model.generate(1, purpose="a test", seed=3, watermark=mode).save(tmp_path / mode)
        explained = read_explained(path)
        assert explained.watermark.mode == mode
        assert made_again(explained, made.model).same_sample
        other = explained.watermark.model_copy(update={"id": explained.watermark.id ^ 1})
        marked = marking.marked_again(explained.stored, other)
        assert not np.array_equal(marked, explained.stored)


def test_a_policy_refuses_what_carries_no_mark(made, tmp_path, monkeypatch):
    policy = tmp_path / "strict.yaml"
    policy.write_text(STRICT)
    ledger = shutil.copy(made.ledger, tmp_path / "own.db")
    workspace = safegen.Workspace(keys=made.keys, ledger=ledger)
    model = safegen.load(made.model, workspace=workspace, policy=["baseline", policy])
    assert len(model.generate(2, purpose="a test", seed=7)) == 2
    with pytest.raises(Refused, match="copies must be found again"):
        model.generate(2, purpose="a test", seed=7, watermark="none")
    monkeypatch.setattr(Marking, "_read_back", lambda *said: [False] * len(said[2]))
    with pytest.raises(Refused, match="copies must be found again"):
        model.generate(2, purpose="a test", seed=7)


def test_what_cannot_be_read_back_is_written_more_strongly_and_then_left_out(own, monkeypatch):
    model, _ = own
    tried = []

    def read(self, design, encoded, ids, key):
        tried.append(len(ids))
        return [len(tried) == 2] * len(ids)

    monkeypatch.setattr(Marking, "_read_back", read)
    second = model.generate(2, purpose="a test", seed=7)
    (said, _) = [each.manifest.said("org.safegen.watermark") for each in second.outputs]
    assert said[0]["strength"] == marking.STRENGTHS[1]
    assert (tried, second.unmarked) == ([2, 2], None)
    none = model.generate(2, purpose="a test", seed=7)
    assert len(tried) == 2 + len(marking.STRENGTHS)
    assert none.unmarked.startswith("2 outputs carry no mark, because none that is hardly seen")
    assert not none.outputs[0].manifest.said("org.safegen.watermark")


def test_no_mark_is_missing_without_a_word(own, made):
    model, ledger = own
    assert model.generate(1, purpose="a test", seed=7).unmarked is None
    assert "as was asked" in model.generate(1, purpose="a test", watermark="none").unmarked
    small, log = ImageModality(PictureShape(channels=1, height=16, width=16)), Ledger(ledger)
    assert "too small to carry a mark" in marking_of(None, small, log).missed[0]
    with pytest.raises(RequestError, match=r"too small to carry a mark.*ask for watermark none"):
        marking_of("speed", small, log)
    with pytest.raises(RequestError, match="choose speed, quality, none"):
        marking_of("strong", model.modality, log)
    flat = marking_of(None, model.modality, log)
    (only,) = flat.encode(np.full((1, *model.modality.dimensions), 0.5, np.float32))
    assert only.watermark is None
    assert flat.missed == ["1 outputs of one flat colour carry no mark."]
