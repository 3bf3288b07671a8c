"""Fingerprints: what is compared has the bits of what is signed, on easy and on hard pictures."""

import numpy as np
import pytest
from PIL import Image

from safegen.modality import image_code as fingerprint
from safegen.modality.image_code import (
    INPUT_SIDE_PIXELS,
    difference,
    image_code,
    image_code_to_compare,
)

EACH = 300


def noise(rng):
    return rng.integers(0, 256, (INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS))


def smooth(rng):
    coarse = Image.fromarray(rng.integers(0, 256, (5, 5)).astype(np.uint8))
    return np.asarray(
        coarse.resize((INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS), Image.Resampling.BICUBIC)
    )


def one_colour(rng):
    return np.full((INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS), rng.integers(0, 256))


def black_and_white(rng):
    return rng.integers(0, 2, (INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS)) * 255


def ramp(rng):
    down, across = rng.integers(0, 5, 2)
    return (
        np.add.outer(np.arange(INPUT_SIDE_PIXELS) * down, np.arange(INPUT_SIDE_PIXELS) * across)
        % 256
    )


def box(rng):
    picture = np.zeros((INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS), int)
    top, left, height, width = rng.integers(1, INPUT_SIDE_PIXELS // 2, 4)
    picture[top : top + height, left : left + width] = rng.integers(1, 256)
    return picture


def mirrored(rng):
    half = rng.integers(0, 256, (INPUT_SIDE_PIXELS, INPUT_SIDE_PIXELS // 2))
    return np.hstack([half, half[:, ::-1]])


@pytest.mark.parametrize("kind", [noise, smooth, one_colour, black_and_white, ramp, box, mirrored])
def test_what_is_compared_has_the_library_s_bits(kind):
    rng = np.random.default_rng(0)
    for _ in range(EACH):
        pixels = kind(rng).ravel().tolist()
        assert image_code_to_compare(pixels) == image_code(pixels)


def test_where_rounding_decides_the_library_is_asked(monkeypatch):
    asked = []
    monkeypatch.setattr(fingerprint, "image_code", lambda _: asked.append(1) or bytes(8))
    rng = np.random.default_rng(0)
    image_code_to_compare(one_colour(rng).ravel().tolist())
    assert asked == [1]
    image_code_to_compare(noise(rng).ravel().tolist())
    assert asked == [1]


def test_other_pictures_have_other_bits():
    rng = np.random.default_rng(0)
    codes = [image_code_to_compare(smooth(rng).ravel().tolist()) for _ in range(50)]
    between = [difference(one, other) for one in codes for other in codes if one is not other]
    assert np.mean(between) > fingerprint.MAX_DIFFERING_SHARE
