"""The word that a mark carries survives wrong bits, and says nothing without its mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegen.errors import InputError
from safegen.marks import codes


def logits_of(words: np.ndarray) -> np.ndarray:
    return (2.0 * words - 1).astype(np.float32)


@pytest.mark.parametrize("word_bits", [64, 128])
def test_every_payload_comes_back(word_bits: int) -> None:
    few = np.random.default_rng(0).integers(
        0, 2 ** codes.payload_bits(word_bits), 500, dtype=np.uint64
    )
    read, agreement = codes.decode(logits_of(codes.encode(few, word_bits)))
    assert (read == few).all()
    assert agreement == pytest.approx(1)


def test_words_of_a_block_are_at_least_24_bits_apart() -> None:
    every = codes.encode(np.arange(2**16), 64)  # the code is linear: weights are distances
    weights, counts = np.unique(every.sum(axis=1), return_counts=True)
    assert weights.tolist() == [0, 24, 28, 32, 36, 40, 64]
    assert counts.tolist() == counts.tolist()[::-1]
    assert len(np.unique(every, axis=0)) == 2**16


@given(st.integers(0, 2**16 - 1), st.sets(st.integers(0, 63), max_size=11))
def test_eleven_wrong_bits_do_no_harm(payload: int, wrong: set[int]) -> None:
    word = codes.encode([payload], 64)
    word[0, sorted(wrong)] ^= 1
    assert codes.decode(logits_of(word))[0][0] == payload


@given(st.integers(0, 2**32 - 1), st.data())
def test_bits_that_were_hardly_read_may_all_be_wrong(payload: int, data: st.DataObject) -> None:
    logits = logits_of(codes.encode([payload], 128))
    for block in (0, 64):
        places = data.draw(st.sets(st.integers(block, block + 63), min_size=23, max_size=23))
        logits[0, sorted(places)] *= -0.01
    assert codes.decode(logits)[0][0] == payload


def test_masks_of_two_ledgers_have_half_their_bits_in_common() -> None:
    names = [number.to_bytes(16) for number in range(400)]
    masks = np.array([codes.mask(name, 128) for name in names])
    assert abs(masks.mean() - 0.5) < 0.02
    assert (codes.mask(names[0], 64) == masks[0, :64]).all()


def test_a_key_that_is_no_random_name_is_refused() -> None:
    with pytest.raises(InputError, match="at least 16 bytes, not 3"):
        codes.words([1], 64, b"key")


@pytest.mark.parametrize("payload", [-1, 2**16])
def test_a_payload_that_does_not_fit_is_named(payload: int) -> None:
    with pytest.raises(InputError, match=f"from 0 to 65,535, not {payload}"):
        codes.words([payload], 64, bytes(16))
