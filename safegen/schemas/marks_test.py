"""How well marks survive in a generator's own pictures: `marks.json`.

{
  "format": "safegen.marks_test/1", "source": "fashion", "algorithm": "org.safegen.mark.small.1",
  "pictures": 100, "left_out": 0, "size": "28x28", "payload_bits": 16,
  "psnr_asked": 37.0, "mode": "quality", "psnr": 37.0, "psnr_least": 36.9, "ssim": 0.99,
  "ids": 2000, "false_positive_rate": 1e-06,
  "survivals": [{"distortion": "JPEG 75", "core": true, "bits": 0.98, ...}, ...],
  "unmarked": {"questions": 200000, "found": 0, "rate_at_most": 1.5e-05},
  "embedding_ms": 20.0, "detection_ms": 8.0
}
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from safegen.schemas.audit import Share
from safegen.schemas.canonical import Record


class Survival(Record):
    """What is left of marks after something happened to their pictures.

    Attributes:
        distortion: what happened.
        core: whether it is one of those whose mean is published.
        bits: of the word, read rightly in the best alignment.
        payload: pictures whose payload is read without knowing it.
        id: pictures whose id is found among all ids asked, at the false positive rate.
        id_alone: likewise, when it is the only id asked.
    """

    distortion: str
    core: bool
    bits: Share
    payload: Share
    id: Share
    id_alone: Share


class Unmarked(Record):
    """What is found in the same pictures without marks.

    Attributes:
        questions: pictures times ids.
        found: ids that seemed to be there, each asked alone, at the false positive rate.
        rate_at_most: upper end of the 95% interval of Clopper and Pearson (Biometrika 26, 1934).
    """

    questions: PositiveInt
    found: NonNegativeInt
    rate_at_most: Share


class MarksTest(Record):
    """The whole test.

    Attributes:
        format: of this record.
        source: the package's or folder's name.
        algorithm: of the marks.
        pictures: that were marked.
        left_out: pictures of one flat colour, which carry no mark.
        size: width and height, in pixels.
        channels: 1 or 3.
        payload_bits: of a mark.
        psnr_asked: in dB.
        mode: how marks were written.
        psnr: mean of the marked pictures, in dB.
        psnr_least: of the most changed picture, in dB.
        ssim: mean structural similarity of the marked pictures, brightness alone.
        ids: that were asked about in each picture.
        false_positive_rate: of the whole question, after all alignments and ids.
        survivals: by distortion, "none" first.
        unmarked: the counter-check.
        embedding_ms: of one picture, in batches, processor time.
        detection_ms: of one picture in all alignments, processor time.
    """

    format: Literal["safegen.marks_test/1"] = "safegen.marks_test/1"
    source: str
    algorithm: str
    pictures: PositiveInt
    left_out: NonNegativeInt
    size: str
    channels: PositiveInt
    payload_bits: PositiveInt
    psnr_asked: PositiveFloat
    mode: Literal["speed", "quality"]
    psnr: PositiveFloat
    psnr_least: PositiveFloat
    ssim: Share
    ids: PositiveInt
    false_positive_rate: Share
    survivals: tuple[Survival, ...]
    unmarked: Unmarked
    embedding_ms: NonNegativeFloat
    detection_ms: NonNegativeFloat
