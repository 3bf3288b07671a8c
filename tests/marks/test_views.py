"""A picture is looked at as if what was done to it were undone."""

from __future__ import annotations

import numpy as np
import pytest

from safegen.marks import views
from safegen.marks.views import VIEWS, look, resampling


def scene(side: int) -> np.ndarray:
    down, across = np.mgrid[:side, :side] / side
    return (128 + 60 * np.sin(9 * down + 2) * np.cos(7 * across)).astype(np.float32)


def test_there_are_twenty_five_and_the_first_changes_nothing() -> None:
    assert len(VIEWS) == 25
    np.testing.assert_allclose(look(scene(32), 32)[0], scene(32), atol=1e-4)


@pytest.mark.parametrize(("source", "target"), [(28, 32), (128, 64), (50, 64)])
def test_resampling_keeps_what_is_flat(source: int, target: int) -> None:
    np.testing.assert_allclose(resampling(source, target).sum(axis=1), 1, atol=1e-6)


def test_a_crop_at_a_corner_is_undone_by_one_of_them() -> None:
    whole = look(scene(80), 32)[0]
    cropped = scene(80)[8:, 8:]  # a tenth of both sides, at the top and on the left
    errors = np.abs(look(cropped, 32) - whole)[:, 6:-2, 6:-2].mean(axis=(1, 2))
    assert errors.min() < 0.2 * errors[0]
    best = VIEWS[int(errors.argmin())]
    assert (best.kept, best.across, best.down) == (0.9, 1.0, 1.0)


def test_a_mirror_image_is_mirrored_back() -> None:
    whole = look(scene(32), 32)[0]
    seen = look(scene(32)[:, ::-1], 32)
    assert min(np.abs(each - whole).max() for each in seen) < 1e-3


def test_a_huge_picture_is_made_small_before_it_is_looked_at(monkeypatch) -> None:
    sizes = []

    def resampled(source: int, target: int, **more: float) -> np.ndarray:
        sizes.append(source)
        return resampling(source, target, **more)

    monkeypatch.setattr(views, "resampling", resampled)
    huge = np.repeat(np.repeat(scene(100), 40, axis=0), 40, axis=1)  # 16 million pixels
    seen = look(huge, 64)[0]
    assert 256 <= max(sizes) < 600
    np.testing.assert_allclose(seen, look(scene(100), 64)[0], atol=6)
