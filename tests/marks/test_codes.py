"""The word that a mark carries survives wrong bits, and says nothing without its mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.marks import codes


def logits_of(words: np.ndarray) -> np.ndarray:
    return (2.0 * words - 1).astype(np.float32)


@pytest.mark.parametrize("word_bits", [32, 64])
def test_every_payload_comes_back(word_bits: int) -> None:
    few = np.random.default_rng(0).integers(
        0, 2 ** codes.payload_bits(word_bits), 500, dtype=np.uint64
    )
    read, agreement = codes.decode(logits_of(codes.encode(few, word_bits)))
    assert (read == few).all()
    assert agreement == pytest.approx(1)


def test_words_of_a_block_are_at_least_eight_bits_apart() -> None:
    every = codes.encode(np.arange(2**16, dtype=np.uint64), 32)
    weights = every.sum(axis=1)
    assert sorted(set(weights.tolist())) == [0, 8, 12, 16, 20, 24, 32]  # of RM(2, 5)
    assert len(np.unique(every, axis=0)) == 2**16


@given(st.integers(0, 2**16 - 1), st.sets(st.integers(0, 31), max_size=3))
def test_three_wrong_bits_do_no_harm(payload: int, wrong: set[int]) -> None:
    word = codes.encode(np.array([payload], dtype=np.uint64), 32)
    word[0, sorted(wrong)] ^= 1
    assert codes.decode(logits_of(word))[0][0] == payload


@given(st.integers(0, 2**32 - 1), st.data())
def test_bits_that_were_hardly_read_may_all_be_wrong(payload: int, data: st.DataObject) -> None:
    word = codes.encode(np.array([payload], dtype=np.uint64), 64)
    logits = logits_of(word)
    for block in (0, 32):  # seven a block, of which the last digits of certainty are left
        places = data.draw(st.sets(st.integers(block, block + 31), min_size=7, max_size=7))
        logits[0, sorted(places)] *= -0.1
    assert codes.decode(logits)[0][0] == payload


def test_masks_of_two_ledgers_have_half_their_bits_in_common() -> None:
    names = [f"urn:uuid:{number:032x}" for number in range(400)]
    masks = np.array([codes.mask(name, 64) for name in names])
    assert abs(masks.mean() - 0.5) < 0.02
    assert (codes.mask(names[0], 32) == masks[0, :32]).all()
