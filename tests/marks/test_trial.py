"""A test of marks says what survives, and tells marked pictures from others."""

from __future__ import annotations

import numpy as np
import pytest

from safegen.errors import InputError
from safegen.marks import trial
from safegen.marks.robustness import CORE, DISTORTIONS


@pytest.fixture(scope="module")
def done() -> trial.Trial:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(50, 205, (3, 1, 8, 8))
    pictures = np.kron(coarse, np.ones((4, 4))).astype(np.uint8)
    flat = np.full((1, 1, 32, 32), 9, np.uint8)
    return trial.put_to_the_test(
        np.concatenate([pictures, flat]), source="blocks", psnr_asked=34, mode="speed"
    )


def test_twenty_distortions_are_tried_and_fourteen_are_the_core(done: trial.Trial) -> None:
    names = [each.distortion for each in done.report.survivals]
    assert names == ["none", *DISTORTIONS]
    assert (len(CORE), len(DISTORTIONS)) == (14, 20)
    assert sum(each.core for each in done.report.survivals) == 15


def test_marks_are_found_as_they_are_and_not_without(done: trial.Trial) -> None:
    plain = done.report.survivals[0]
    assert (plain.payload, plain.id, plain.id_alone) == (1, 1, 1)
    assert plain.bits > 0.9
    assert done.report.unmarked.found == 0
    assert done.report.unmarked.questions == 3 * 2000
    assert 0 < done.report.unmarked.rate_at_most < 1e-3


def test_a_flat_picture_is_left_out_and_counted(done: trial.Trial) -> None:
    assert (done.report.pictures, done.report.left_out) == (3, 1)
    assert done.marked.shape == done.originals.shape == (3, 1, 32, 32)
    assert 33.9 < done.report.psnr_least <= done.report.psnr < 40


def test_means_are_over_the_core_alone(done: trial.Trial) -> None:
    payload, found = trial.core_means(done.report)
    core = [each for each in done.report.survivals if each.core]
    assert payload == pytest.approx(np.mean([each.payload for each in core]))
    assert found == pytest.approx(np.mean([each.id for each in core]))


def test_without_a_picture_that_can_be_marked_there_is_no_test() -> None:
    with pytest.raises(InputError, match="night: there is no picture that can carry a mark"):
        trial.put_to_the_test(np.zeros((2, 1, 32, 32), np.uint8), source="night")
