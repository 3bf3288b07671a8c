import numpy as np
import pytest

from safegen.audit.pictures import canary_pictures, found_in_samples, inserted
from safegen.data.groups import grouped
from safegen.data.sources import load

DELTA = 1e-5


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=28)


@pytest.fixture
def canaries(digits):
    return canary_pictures(digits, 300, np.random.default_rng(3))


def bound(canaries, samples, labels):
    return found_in_samples(canaries, samples, labels, DELTA, np.random.default_rng(0))


def test_a_generator_that_remembers_is_caught(canaries, digits):
    inside = canaries.included
    samples = np.concatenate([digits.images, canaries.pictures[inside]])
    labels = np.concatenate([digits.labels, canaries.labels[inside]])
    found = bound(canaries, samples, labels)
    assert found.lower_bound > 2.5  # 300 coins cannot prove much more
    assert found.correct == found.guesses


def test_a_generator_that_never_saw_them_is_not(digits):
    bounds = []
    for seed in range(20):
        canaries = canary_pictures(digits, 300, np.random.default_rng(seed))
        bounds.append(bound(canaries, digits.images, digits.labels).lower_bound)
    assert sum(found > 0 for found in bounds) <= 3


def test_included_canaries_are_units_of_their_own(canaries, digits):
    more = inserted(digits, canaries)
    count = int(canaries.included.sum())
    assert len(more) == more.card.count == more.card.units == len(digits) + count
    assert more.card.digest == digits.card.digest  # one account: it is the records that spend
    by_patient = inserted(grouped(digits, [str(i // 3) for i in range(len(digits))]), canaries)
    assert by_patient.card.units == 599 + count
    assert len(np.unique(by_patient.groups)) == 599 + count


def test_canaries_are_all_different(canaries):
    assert len(np.unique(canaries.pictures.reshape(300, -1), axis=0)) == 300
    assert 100 < canaries.included.sum() < 200
