"""What screens cannot say is told by their names; nothing is made up in its place."""

import sys
import threading

import numpy as np
import pytest

from safegen.screens.measure import measure
from safegen.screens.ready.contrast import ContrastScreen
from safegen.screens.screen import Batch


class Says:
    name = "says"

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0

    def measure(self, batch):
        self.asked += 1
        return self.answer(batch)


def batch(count=3):
    ramp = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return Batch(samples=np.broadcast_to(ramp, (count, 1, 4, 4)), requests=())


def raising(batch):
    raise RuntimeError("out of memory")


def test_a_screen_is_asked_once_for_a_whole_batch():
    screen = Says(lambda seen: seen.samples[:, 0, 0, 0] / 10)
    seen = measure([screen, ContrastScreen()], batch(1000))
    assert screen.asked == 1
    assert len(seen) == 1000
    assert seen[20].scores == {"says": 2.0, "contrast": 0.0}
    assert not seen[20].failures


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (raising, "it raised RuntimeError: out of memory"),
        (lambda _: [0.5], "it gave 1 scores for 3 samples"),
        (lambda _: [[0.5, 0.5]] * 3, "it raised TypeError"),
        (lambda _: None, "it raised TypeError"),
        (lambda _: sys.exit(0), "it raised SystemExit: 0"),
        (lambda _: threading.Event().wait(), "it took longer than 0.1 seconds"),
    ],
)
def test_a_screen_that_cannot_answer_has_failed_for_every_sample(answer, reason):
    seen = measure([Says(answer), ContrastScreen()], batch(), timeout=0.1)
    for each in seen:
        assert each.failures.keys() == {"says"}
        assert each.failures["says"].startswith(reason)
        assert each.scores.keys() == {"contrast"}


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_a_failure_of_that_sample(wrong):
    first, second, _ = measure([Says(lambda _: [0.1, wrong, 0.3])], batch())
    assert (first.scores, first.failures) == ({"says": 0.1}, {})
    assert second.scores == {}
    assert second.failures == {"says": f"its score is {wrong}, no finite number"}


def test_contrast_is_told_a_flat_colour_from_a_checkered_one():
    checkered = np.indices((8, 8)).sum(axis=0) % 2 * 255
    samples = np.stack([np.full((8, 8), 200), checkered])[:, None].astype(np.uint8)
    assert ContrastScreen().measure(Batch(samples=samples, requests=())) == [0.0, 0.5]
