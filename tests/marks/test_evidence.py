"""The chance that a picture seems marked and is not, counted and seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.marks import evidence

certainties = st.lists(
    st.floats(min_value=0.0625, max_value=40, width=32), min_size=10, max_size=10
)


@given(certainties, st.integers(0, 2**10 - 1))
def test_no_fewer_words_are_counted_than_agree_as_well(sure: list[float], number: int) -> None:
    logits = np.array(sure, dtype=np.float32)
    word = (number >> np.arange(10) & 1).astype(np.uint8)
    every = (np.arange(2**10)[:, None] >> np.arange(10) & 1).astype(np.uint8)
    agreement = (2.0 * every - 1) @ logits
    exact = (agreement >= agreement[number] - 1e-4).mean()
    counted = evidence.chance(logits, word)
    assert counted >= min(exact, 1.0) - 1e-12 or math.isclose(counted, exact)


def test_equal_certainties_give_the_binomial() -> None:
    logits = np.ones(32, dtype=np.float32)
    for wrong in range(6):
        word = np.ones(32, dtype=np.uint8)
        word[:wrong] = 0
        exact = sum(math.comb(32, k) for k in range(wrong + 1)) / 2**32
        assert evidence.chance(logits, word) == pytest.approx(exact)


def test_a_bit_that_was_hardly_read_costs_hardly_anything() -> None:
    logits = np.array([0.01] + [5.0] * 31, dtype=np.float32)
    word = np.ones(32, dtype=np.uint8)
    word[0] = 0
    assert evidence.chance(logits, word) == pytest.approx(2 / 2**32)


@pytest.mark.parametrize("nothing", [0.0, math.nan, math.inf])
def test_a_reading_that_says_nothing_proves_nothing(nothing: float) -> None:
    assert evidence.chance(np.full(32, nothing, dtype=np.float32), np.ones(32, np.uint8)) == 1


def test_unmarked_pictures_pass_as_often_as_is_counted() -> None:
    """Over masks thrown by coin, at a rate that can be seen: 1 in 200."""
    rng = np.random.default_rng(1)
    logits = rng.standard_t(3, 32).astype(np.float32)  # one picture, however odd
    words = rng.integers(0, 2, (20_000, 32), dtype=np.uint8)
    passed = sum(evidence.chance(logits, word) <= 1 / 200 for word in words)
    expected = 20_000 / 200
    assert 0.8 * expected - 30 < passed < expected + 4 * math.sqrt(expected)
