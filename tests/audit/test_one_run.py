import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from safegen.audit.one_run import guess, one_run_bound, one_run_epsilon, one_run_p_value
from safegen.errors import DataError

ERROR = 0.05


def rng(seed=0):
    return np.random.default_rng(seed)


def most_failures(runs):
    """How many of `runs` may fail by chance when each does with 5%: exceeded once in 1,000."""
    return stats.binom.ppf(0.999, runs, ERROR)


@pytest.mark.parametrize(
    ("canaries", "guesses", "correct", "delta", "epsilon"),
    [
        (1000, 1000, 1000, 1e-9, 5.81),  # the paper's introduction
        (1000, 100, 75, 1e-4, 0.673),  # appendix D
        (100_000, 1510, 1439, 1e-5, 2.676),  # section 7
    ],
)
def test_one_run_certifies_the_published_epsilon(canaries, guesses, correct, delta, epsilon):
    assert one_run_epsilon(canaries, guesses, correct, delta) == pytest.approx(epsilon, abs=6e-3)


@settings(max_examples=50)
@given(
    counts=st.lists(st.integers(0, 12), min_size=3, max_size=3).map(sorted),
    epsilon=st.floats(0, 6),
    delta=st.floats(0, 0.1),
)
def test_the_p_value_is_the_theorem_s_sum(counts, epsilon, delta):
    correct, guesses, canaries = counts
    chances = stats.binom.pmf(np.arange(guesses + 1), guesses, 1 / (1 + np.exp(-epsilon)))
    alpha = max(
        (chances[correct - i : correct].sum() / i for i in range(1, correct + 1)), default=0
    )
    expected = min(1, chances[correct:].sum() + 2 * canaries * delta * alpha)
    found = one_run_p_value(canaries, guesses, correct, epsilon, delta)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("delta", [0.0, 1e-5, 1e-2])
def test_where_it_refutes_the_p_value_grows_with_epsilon(delta):
    for correct in (60, 75, 99, 100):
        values = [
            one_run_p_value(300, 100, correct, epsilon, delta) for epsilon in np.arange(0, 9, 0.02)
        ]
        refuting = np.array(values[:-1]) < 0.2
        assert (np.diff(values)[refuting] >= -1e-12).all()


def test_a_mechanism_that_tells_all_with_chance_delta_is_not_refuted():
    canaries, delta = 20, 0.04
    assert one_run_p_value(canaries, canaries, canaries, 0.0, delta) >= delta + 0.5**canaries
    assert one_run_epsilon(canaries, canaries, canaries, delta) == 0
    assert one_run_epsilon(canaries, canaries, canaries, 0.0) > 1


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_randomised_response_is_refuted_no_more_often_than_stated(epsilon):
    canaries = 100
    correct = np.arange(canaries + 1)
    chances = stats.binom.pmf(correct, canaries, 1 / (1 + np.exp(-epsilon)))
    bounds = np.array([one_run_epsilon(canaries, canaries, int(v), 0.0) for v in correct])
    assert ERROR / 3 < chances @ (bounds > epsilon) <= ERROR


def runs_of_randomised_response(runs, canaries, epsilon):
    """A fifth of the canaries answers with all of epsilon, and shows by its size that it does."""
    for seed in range(runs):
        generator = rng(seed)
        included = generator.random(canaries) < 0.5
        sure = np.arange(canaries) < canaries // 5
        spent = np.where(sure, epsilon, epsilon / 10)
        truthful = generator.random(canaries) < 1 / (1 + np.exp(-spent))
        yield np.where(included == truthful, 1.0, -1.0) * np.where(sure, 2, 1), included, generator


def test_the_best_of_several_numbers_of_guesses_is_honest_and_close():
    epsilon, runs = 2.0, 60
    bounds = np.array(
        [
            one_run_bound(scores, included, 1e-9, generator=generator).lower_bound
            for scores, included, generator in runs_of_randomised_response(runs, 1000, epsilon)
        ]
    )
    assert (bounds > epsilon).sum() <= most_failures(runs)
    assert np.median(bounds) > 0.6 * epsilon


def test_many_looks_at_nothing_find_nothing_more_often_than_stated():
    @functools.cache
    def refuted(guesses, correct):
        return one_run_epsilon(60, guesses, correct, 0.0, confidence=1 - ERROR / 4) > 0

    runs, found = 3000, 0
    for seed in range(runs):
        generator = rng(seed)
        included = generator.random(60) < 0.5
        scores = generator.standard_normal(60)
        found += any(
            refuted(*guess(scores, included, guesses_of_each=size, generator=generator))
            for size in (3, 9, 18, 30)
        )
    assert found <= most_failures(runs)


def test_every_number_of_guesses_pays_its_part_of_the_error():
    included = rng().random(400) < 0.5
    found = one_run_bound(
        included * 1.0, included, 1e-6, generator=rng(), shares=(0.1, 0.5), confidence=0.9
    )
    assert (found.canaries, found.guesses, found.correct) == (400, 200, 200)
    assert found.confidence == 0.9
    assert found.lower_bound == one_run_epsilon(400, 200, 200, 1e-6, confidence=0.95)


def test_of_two_numbers_of_guesses_the_one_that_proves_more_is_taken():
    scores, included, generator = next(runs_of_randomised_response(1, 2000, 3.0))
    found = one_run_bound(scores, included, 1e-9, generator=generator, shares=(0.15, 1.0))
    assert found.guesses == 300
    assert found.correct > 270


def test_guesses_are_the_highest_and_the_lowest():
    scores = np.array([0.0, 5, 1, 4, 2, 3])
    included = np.array([False, True, True, True, False, False])
    made = [guess(scores, included, guesses_of_each=k, generator=rng()) for k in range(4)]
    assert made == [(0, 0), (2, 2), (4, 3), (6, 4)]
    assert guess(scores, included.astype(int), guesses_of_each=3, generator=rng()) == (6, 4)


def test_ties_give_no_advantage():
    """Coins in the order of the canaries would be guessed perfectly by any stable sort."""
    included = np.arange(200) < 100
    for coins in (included, ~included):
        correct = [
            guess(np.zeros(200), coins, guesses_of_each=20, generator=rng(seed))[1]
            for seed in range(300)
        ]
        assert np.mean(correct) == pytest.approx(20, abs=4 * np.sqrt(40 / 4 / 300))
    assert one_run_bound(np.zeros(200), included, 0.0, generator=rng()).lower_bound == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: one_run_p_value(10, 11, 3, 1.0, 0.0), "3 right of 11 guesses at 10 canaries"),
        (lambda: one_run_epsilon(10, 10, 3, 1.5), "delta is 1.5"),
        (lambda: one_run_epsilon(10, 10, 3, 0.0, confidence=1.0), "confidence is 1.0"),
        (
            lambda: guess(np.zeros(3), np.zeros(3, bool), guesses_of_each=2, generator=rng()),
            "twice as many canaries",
        ),
        (
            lambda: guess(np.zeros(3), np.zeros(4, bool), guesses_of_each=1, generator=rng()),
            "3 scores for 4 coins",
        ),
        (
            lambda: one_run_bound(np.zeros(1), np.zeros(1, bool), 0.0, generator=rng()),
            "1 canaries are too few",
        ),
    ],
)
def test_what_cannot_be_counted_is_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()
