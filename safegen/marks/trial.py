"""Marks in given pictures, put to the test: what survives, how it looks, what seems marked.

1. Every picture gets a mark of its own, under a ledger's name drawn for this test.
2. Every marked picture goes through every distortion, and is read in all alignments.
3. Its id is looked for among many; and its payload is read without knowing it.
4. The same pictures without marks are asked about the same ids.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.stats import beta

from safegen.errors import InputError
from safegen.marks import codes, detect
from safegen.marks.designs import design_for
from safegen.marks.embed import PSNR, Mode, embed
from safegen.marks.evidence import FALSE_POSITIVE_RATE
from safegen.marks.likeness import psnr, ssim
from safegen.marks.robustness import CORE, DISTORTIONS
from safegen.marks.views import luma
from safegen.progress import Progress, silent
from safegen.schemas.marks_test import MarksTest, Survival, Unmarked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.marks.robustness import Distortion

IDS = 2000  # asked about in each picture
CONFIDENCE = 0.95
MOST_DECIBEL = 99.0  # what stands for infinite, where nothing was changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A test with its pictures.

    Attributes:
        report: what was found.
        originals: (count, channels, height, width), uint8.
        marked: likewise.
    """

    report: MarksTest
    originals: NDArray[np.uint8]
    marked: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Questions:
    algorithm: str
    key: bytes
    ids: NDArray[np.uint64]  # the first ones are those of the pictures, in order
    words: NDArray[np.uint8]


def put_to_the_test(
    pictures: NDArray[np.uint8],
    *,
    source: str,
    psnr_asked: float = PSNR,
    mode: Mode = "quality",
    seed: int = 0,
    progress: Progress = silent,
) -> Trial:
    """Mark pictures, distort them, and look for their marks.

    Args:
        pictures: (count, 1 or 3, height, width), uint8.
        source: what they are, for the report.
        psnr_asked: of `safegen.marks.embed.embed`.
        mode: of `safegen.marks.embed.embed`.
        seed: of the ids and of what is random in distortions.
        progress: told how far the work is.

    Raises:
        InputError: there are none but of one flat colour, or they are too small for marks.
    """
    flat = np.array([not (each != each[:, :1, :1]).any() for each in pictures], dtype=bool)
    originals = pictures[~flat]
    if not len(originals):
        raise InputError(f"{source}: there is no picture that can carry a mark")
    rng = np.random.default_rng(seed)
    asked = _questions(originals, rng)
    began = time.process_time()
    ids = asked.ids[: len(originals)]
    marked = embed(originals, ids, key=asked.key, psnr=psnr_asked, mode=mode)
    embedding = time.process_time() - began
    survivals = []
    distortions: dict[str, Distortion] = {"none": lambda picture, _: picture} | DISTORTIONS
    for number, (name, distort) in enumerate(distortions.items()):
        progress("distorting", number, len(distortions) + 1)
        survivals.append(_survival(name, distort, marked, asked, rng))
    progress("unmarked pictures", len(distortions), len(distortions) + 1)
    began = time.process_time()
    readings = [detect.read(picture, algorithm=asked.algorithm) for picture in originals]
    detection = time.process_time() - began
    likenesses = [min(psnr(*pair), MOST_DECIBEL) for pair in zip(originals, marked, strict=True)]
    similar = [ssim(luma(a), luma(b)) for a, b in zip(originals, marked, strict=True)]
    report = MarksTest(
        source=source,
        algorithm=asked.algorithm,
        pictures=len(originals),
        left_out=int(flat.sum()),
        size=f"{originals.shape[3]}x{originals.shape[2]}",
        channels=originals.shape[1],
        payload_bits=codes.payload_bits(asked.words.shape[1]),
        psnr_asked=psnr_asked,
        mode=mode,
        psnr=float(np.mean(likenesses)),
        psnr_least=min(likenesses),
        ssim=float(np.clip(np.mean(similar), 0, 1)),
        ids=len(asked.ids),
        false_positive_rate=FALSE_POSITIVE_RATE,
        survivals=tuple(survivals),
        unmarked=_unmarked(readings, asked),
        embedding_ms=1000 * embedding / len(originals),
        detection_ms=1000 * detection / len(originals),
    )
    progress("done", 1, 1)
    return Trial(report=report, originals=originals, marked=marked)


def core_means(report: MarksTest) -> tuple[float, float]:
    """Payloads read and ids found, means over no distortion and the fourteen of the core."""
    core = [each for each in report.survivals if each.core]
    return (
        sum(each.payload for each in core) / len(core),
        sum(each.id for each in core) / len(core),
    )


def as_picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """A Pillow picture of (1 or 3, height, width), uint8."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _questions(pictures: NDArray[np.uint8], rng: np.random.Generator) -> _Questions:
    design = design_for(*pictures.shape[2:])
    count = max(IDS, len(pictures))
    if count > 2 ** (design.payload_bits - 1):
        raise InputError(f"{len(pictures):,} pictures are too many to test marks in; take fewer")
    key = rng.bytes(16)
    ids = np.array([], dtype=np.uint64)
    while len(ids) < count:
        drawn = rng.integers(0, 2**design.payload_bits, count, dtype=np.uint64)
        ids = np.array(list(dict.fromkeys([*ids.tolist(), *drawn.tolist()])), dtype=np.uint64)
    ids = ids[:count]
    return _Questions(
        algorithm=design.algorithm,
        key=key,
        ids=ids,
        words=codes.words(ids, design.word_bits, key),
    )


def _survival(
    name: str,
    distort: Distortion,
    marked: NDArray[np.uint8],
    asked: _Questions,
    rng: np.random.Generator,
) -> Survival:
    rows = [_left(distort(as_picture(one), rng), asked, n) for n, one in enumerate(marked)]
    bits, payload, found, alone = np.mean(rows, axis=0).tolist()
    return Survival(
        distortion=name,
        core=name == "none" or name in CORE,
        bits=bits,
        payload=payload,
        id=found,
        id_alone=alone,
    )


def _left(picture: Image.Image, asked: _Questions, number: int) -> tuple[float, ...]:
    """What is left of one mark: bits, payload, id among all, id alone; 0 or 1 but for the first."""
    values = np.asarray(picture)
    pixels = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    try:
        reading = detect.read(pixels, algorithm=asked.algorithm)
    except InputError:  # a single colour is left of it
        return (0.0, 0.0, 0.0, 0.0)
    right = (reading.logits > 0) == (asked.words[number] > 0)
    chances = detect.chance(reading, asked.ids, asked.key)
    best = int(chances.argmin())
    return (
        float(right.mean(axis=1).max()),
        float(detect.payload(reading, asked.key) == asked.ids[number]),
        float(best == number and chances[best] * len(asked.ids) <= FALSE_POSITIVE_RATE),
        float(chances[number] <= FALSE_POSITIVE_RATE),
    )


def _unmarked(readings: list[detect.Reading], asked: _Questions) -> Unmarked:
    found = sum(
        int((detect.chance(reading, asked.ids, asked.key) <= FALSE_POSITIVE_RATE).sum())
        for reading in readings
    )
    questions = len(readings) * len(asked.ids)
    return Unmarked(
        questions=questions,
        found=found,
        rate_at_most=float(beta.ppf((1 + CONFIDENCE) / 2, found + 1, questions - found)),
    )
