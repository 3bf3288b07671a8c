"""The chance that a picture seems marked and is not, counted and seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.marks import evidence

certainties = st.lists(
    st.floats(min_value=0.0625, max_value=40, width=32), min_size=12, max_size=12
)


def chance(logits: np.ndarray, word: np.ndarray) -> float:
    return float(evidence.chances(logits[None], word[None])[0])


@given(certainties, st.sets(st.integers(0, 11), max_size=2))
def test_no_fewer_words_are_counted_than_agree_as_well(sure: list[float], wrong: set[int]) -> None:
    logits = np.array(sure, dtype=np.float32)
    every = (np.arange(2**12)[:, None] >> np.arange(12) & 1).astype(np.uint8)
    number = 2**12 - 1 - sum(1 << place for place in wrong)
    agreement = (2.0 * every - 1) @ logits.astype(np.float64)
    exact = (agreement >= agreement[number] - 1e-9).mean()
    assert chance(logits, every[number]) >= exact * (1 - 1e-9)


def test_equal_certainties_give_the_binomial() -> None:
    logits = np.ones(64, dtype=np.float32)
    for wrong in range(0, 12, 3):
        word = np.ones(64, dtype=np.uint8)
        word[:wrong] = 0
        exact = sum(math.comb(64, k) for k in range(wrong + 1)) / 2**64
        assert chance(logits, word) == pytest.approx(exact, abs=0)


def test_a_bit_that_was_hardly_read_costs_hardly_anything() -> None:
    logits = np.array([0.01] + [5.0] * 63, dtype=np.float32)
    word = np.ones(64, dtype=np.uint8)
    word[0] = 0
    assert chance(logits, word) == pytest.approx(2 / 2**64, abs=0)


def test_every_further_alignment_is_paid_for() -> None:
    logits = np.ones((21, 64), dtype=np.float32)
    found = evidence.chances(logits, np.ones((1, 64), dtype=np.uint8))
    assert found[0] == pytest.approx(21 / 2**64, abs=0)


@pytest.mark.parametrize("nothing", [0.0, math.nan, math.inf])
def test_a_reading_that_says_nothing_proves_nothing(nothing: float) -> None:
    assert chance(np.full(64, nothing, dtype=np.float32), np.ones(64, np.uint8)) == 1


def test_unmarked_pictures_pass_as_often_as_is_counted() -> None:
    """Over masks thrown by coin, at a rate that can be seen: 1 in 2,000."""
    rng = np.random.default_rng(1)
    logits = rng.standard_t(3, (1, 64)).astype(np.float32)  # one picture, however odd
    words = rng.integers(0, 2, (400_000, 64), dtype=np.uint8)
    passed = int((evidence.chances(logits, words) <= 1 / 2000).sum())
    expected = 400_000 / 2000
    assert 0.5 * expected < passed < expected + 4 * math.sqrt(expected)
