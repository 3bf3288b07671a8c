"""Marks are written within their bounds, and whatever cannot be marked is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from safegen.errors import InputError
from safegen.marks import codes, detect
from safegen.marks.designs import SMALL
from safegen.marks.embed import embed
from safegen.marks.likeness import psnr, ssim
from safegen.marks.writing import FLAT_BOUND

KEY = b"a ledger's name."


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Grey shades with a flat half on the left, and noise on the right."""
    rng = np.random.default_rng(0)
    some = np.full((4, 32, 32), 128.0)
    some[:, :, 16:] += rng.normal(0, 25, (4, 32, 16))
    return some.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("asked", [34.0, 37.0, 42.0])
def test_no_picture_is_changed_more_than_was_asked(pictures: np.ndarray, asked: float) -> None:
    marked = embed(pictures, [1, 2, 3, 4], key=KEY, psnr=asked)
    reached = [psnr(*pair) for pair in zip(pictures, marked, strict=True)]
    assert min(reached) > asked - 0.2  # values are whole
    assert max(reached) < asked + 6  # the bound on flat areas may keep it higher
    assert ssim(pictures[0].astype(np.float32), marked[0].astype(np.float32)) > 0.85


@pytest.mark.parametrize("mode", ["speed", "quality"])
def test_flat_areas_are_never_changed_beyond_the_bound(pictures: np.ndarray, mode) -> None:
    marked = embed(pictures, [1, 2, 3, 4], key=KEY, psnr=28, mode=mode)
    change = np.abs(marked.astype(int) - pictures)
    assert change[:, :, :14].max() <= FLAT_BOUND + 1
    assert change[:, :, 16:].max() > FLAT_BOUND + 1  # where it is not seen, more is allowed


def test_quality_is_read_more_surely_than_speed(pictures: np.ndarray) -> None:
    ids = [1, 2, 3, 4]
    signs = codes.words(ids, SMALL.word_bits, KEY) * 2.0 - 1
    agreement = []
    for mode in ("speed", "quality"):
        marked = embed(pictures, ids, key=KEY, psnr=40, mode=mode)
        noisy = marked + np.random.default_rng(1).normal(0, 6, marked.shape)
        read = [detect.read(each) for each in noisy.clip(0, 255).astype(np.uint8)]
        lengths = [np.linalg.norm(each.logits[0]) for each in read]
        agreement.append(
            np.mean(
                [each.logits[0] @ s / n for each, s, n in zip(read, signs, lengths, strict=True)]
            )
        )
    assert agreement[1] > agreement[0]


def test_the_same_arguments_give_the_same_pictures(pictures: np.ndarray) -> None:
    once, twice = (
        embed(pictures, [1, 2, 3, 4], key=KEY, psnr=37, mode="quality") for _ in range(2)
    )
    assert (once == twice).all()


def test_pictures_that_nobody_may_change_are_marked_as_well(pictures: np.ndarray) -> None:
    kept = np.frombuffer(pictures.tobytes(), np.uint8).reshape(pictures.shape)
    marked = embed(kept, [1, 2, 3, 4], key=KEY)
    assert (marked == embed(pictures, [1, 2, 3, 4], key=KEY)).all()


def test_no_pictures_are_no_pictures() -> None:
    assert embed(np.zeros((0, 3, 64, 64), np.uint8), [], key=KEY).shape == (0, 3, 64, 64)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"pictures": np.ones((1, 4, 64, 64), np.uint8)}, "without alpha"),
        ({"pictures": np.ones((1, 64, 64), np.uint16)}, "8 bits a channel"),
        ({"pictures": np.ones((1, 64, 64), np.uint8)}, "one flat colour"),
        ({"pictures": np.eye(20, dtype=np.uint8)[None]}, "20x20 pixels is too small"),
        ({"pictures": np.eye(64, dtype=np.uint8)}, "come as"),
        ({"payloads": [1, 2]}, "1 pictures take as many payloads, not 2"),
        ({"payloads": [2**32]}, "from 0 to 4,294,967,295"),
        ({"psnr": 20.0}, "from 28 to 50 dB, not 20"),
        ({"mode": "best"}, "speed or quality, not 'best'"),
    ],
)
def test_what_cannot_be_marked_is_told_in_a_sentence(wrong: dict, why: str) -> None:
    given = {"pictures": np.eye(64, dtype=np.uint8)[None], "payloads": [1], "key": KEY} | wrong
    with pytest.raises(InputError, match=why):
        embed(**given)
