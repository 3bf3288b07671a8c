"""Duplicates, near duplicates and collapse within a release; also of what was screened before."""

import numpy as np
import pytest

from safegen.screens.measure import measure
from safegen.screens.ready.diversity import Diversity
from safegen.screens.ready.duplicates import NearestDistance
from safegen.screens.screen import Batch


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 16, 16), dtype=np.uint8)


def nearest(samples, earlier=None):
    return NearestDistance().measure(Batch(samples=samples, requests=(), earlier=earlier))


def by_hand(samples, others):
    values = samples.reshape(len(samples), -1) / 255
    against = others.reshape(len(others), -1) / 255
    squares = ((values[:, None] - against[None]) ** 2).mean(axis=2)
    if others is samples:
        np.fill_diagonal(squares, np.inf)
    return np.sqrt(squares.min(axis=1))


def test_the_nearest_other_sample_is_found_as_by_hand():
    samples, earlier = noise(40), noise(30, seed=1)
    assert nearest(samples) == pytest.approx(by_hand(samples, samples))
    both = np.minimum(by_hand(samples, samples), by_hand(samples, earlier))
    assert nearest(samples, earlier) == pytest.approx(both)


def test_duplicates_have_no_distance_and_near_ones_a_small_one():
    samples = noise(10)
    samples[3] = samples[7]
    samples[5] = samples[8] ^ 1
    scores = nearest(samples)
    assert [place for place, score in enumerate(scores) if score == 0] == [3, 7]
    assert scores[5] == scores[8] == pytest.approx(1 / 255)
    assert min(scores[place] for place in (0, 1, 2, 4, 6, 9)) > 0.2


def test_a_later_sample_that_repeats_an_earlier_one_is_a_duplicate():
    earlier = noise(5)
    scores = nearest(np.concatenate([earlier[2:3], noise(3, seed=9)]), earlier)
    assert scores[0] == 0
    assert min(scores[1:]) > 0.2


def test_a_sample_alone_is_no_duplicate():
    alone = Batch(samples=noise(1), requests=())
    assert NearestDistance().measure(alone) == [1.0]
    assert Diversity().measure(alone) == [1.0]


def test_diversity_is_the_mean_square_difference_of_all_pairs():
    samples, earlier = noise(12), noise(8, seed=1)
    values = np.concatenate([earlier, samples]).reshape(20, -1) / 255
    squares = ((values[:, None] - values[None]) ** 2).mean(axis=2)
    pairs = squares[np.triu_indices(20, 1)].mean()
    scores = Diversity().measure(Batch(samples=samples, requests=(), earlier=earlier))
    assert scores == pytest.approx([np.sqrt(pairs)] * 12)


def test_a_collapsed_release_is_told_from_a_varied_one():
    collapsed = np.repeat(noise(1), 50, axis=0)
    collapsed[:, 0, 0, 0] += np.arange(50, dtype=np.uint8)
    (first, *_) = measure([Diversity()], Batch(samples=collapsed, requests=()))
    (varied, *_) = measure([Diversity()], Batch(samples=noise(50), requests=()))
    assert first.scores["diversity"] < 0.1
    assert varied.scores["diversity"] > 0.3
