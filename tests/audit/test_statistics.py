import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from safegen.audit.statistics import (
    epsilon_from_rates,
    guess,
    one_run_bound,
    one_run_epsilon,
    one_run_p_value,
    proportion,
    roc_auc,
    tpr_at_fpr,
)
from safegen.errors import DataError

ERROR = 0.05


def rng(seed=0):
    return np.random.default_rng(seed)


def most_failures(runs):
    """How many of `runs` may fail by chance when each does with 5%: exceeded once in 1,000."""
    return stats.binom.ppf(0.999, runs, ERROR)


# Rates


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.3085), (7, 20, 0.1539, 0.5922), (10, 10, 0.6915, 1.0)],
)
def test_a_rate_has_the_published_interval(successes, trials, low, high):
    rate = proportion(successes, trials)
    assert rate.value == successes / trials
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_a_rate_has_scipy_s_interval(confidence):
    for successes in range(13):
        rate = proportion(successes, 12, confidence=confidence)
        exact = stats.binomtest(successes, 12).proportion_ci(confidence, method="exact")
        assert (rate.low, rate.high) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_the_interval_of_a_rate_holds_the_truth_as_often_as_it_says():
    rates = [proportion(successes, 30) for successes in range(31)]
    for truth in np.linspace(0.01, 0.99, 99):
        holds = np.array([rate.low <= truth <= rate.high for rate in rates])
        assert stats.binom.pmf(np.arange(31), 30, truth) @ holds >= 1 - ERROR


# One run


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


# AUC and TPR


def test_the_auc_is_scikit_learn_s_with_ties():
    generator = rng()
    members, others = generator.integers(0, 6, 40) * 1.0, generator.integers(0, 5, 70) * 1.0
    truth = np.repeat([1, 0], [40, 70])
    expected = roc_auc_score(truth, np.concatenate([members, others]))
    assert roc_auc(members, others).value == pytest.approx(expected)


def even(generator, count):
    return generator.standard_normal(count) + 0.8


def few_found(generator, count):
    return generator.standard_normal(count) + 6 * (generator.random(count) < 0.2)


@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (even, stats.norm.cdf(0.8 / np.sqrt(2))),
        (few_found, 0.8 * 0.5 + 0.2 * stats.norm.cdf(6 / np.sqrt(2))),
        (np.random.Generator.standard_normal, 0.5),
    ],
)
def test_the_interval_of_an_auc_holds_the_truth_as_often_as_it_says(draw, truth):
    runs = 1000
    found = []
    for seed in range(runs):
        generator = rng(seed)
        found.append(roc_auc(draw(generator, 60), generator.standard_normal(90)))
    missed = sum(not auc.low <= truth <= auc.high for auc in found)
    assert stats.binom.ppf(0.001, runs, ERROR / 2) <= missed <= most_failures(runs)
    spread = np.std([auc.value for auc in found])
    assert np.mean([auc.high - auc.low for auc in found]) == pytest.approx(3.92 * spread, rel=0.1)


def test_perfect_separation_is_not_certainty():
    auc = roc_auc(np.arange(20) + 100.0, np.arange(50.0))
    assert (auc.value, auc.high) == (1, 1)
    assert auc.low == pytest.approx(0.025 ** (1 / 20))
    reverse = roc_auc(np.arange(50.0), np.arange(20) + 100.0)
    assert (reverse.value, reverse.low, reverse.high) == pytest.approx((0, 0, 1 - auc.low))


def test_scores_that_all_tie_say_little():
    auc = roc_auc(np.zeros(30), np.zeros(40))
    assert auc.value == 0.5
    assert auc.low < 0.35
    assert auc.high > 0.65


tied_scores = st.lists(st.integers(0, 8), min_size=1, max_size=30).map(lambda s: np.array(s, float))


@given(members=tied_scores, others=tied_scores, fpr=st.floats(0, 0.99))
def test_the_true_positive_rate_is_the_best_of_all_allowed_thresholds(members, others, fpr):
    allowed = [threshold for threshold in np.arange(-1, 9) if (others > threshold).mean() <= fpr]
    best = max((members > threshold).mean() for threshold in allowed)
    assert tpr_at_fpr(members, others, fpr).value == best


def test_the_true_positive_rate_has_the_interval_of_a_rate():
    found = tpr_at_fpr(np.arange(100.0), np.arange(90.0), 0.001, confidence=0.9)
    assert found == proportion(10, 100, confidence=0.9)


# Rates to epsilon


def test_rates_bound_epsilon_as_by_hand():
    high = 1 - (0.05 / 2) ** (1 / 100)  # Clopper-Pearson for 0 of 100, one tail of 2.5%
    assert epsilon_from_rates(100, 100, 0, 100, 0.01) == pytest.approx(
        np.log((1 - high - 0.01) / high)
    )


@given(
    true_positives=st.integers(0, 50),
    false_positives=st.integers(0, 80),
    delta=st.floats(0, 0.2),
)
def test_accusing_and_keeping_silent_bound_alike(true_positives, false_positives, delta):
    accused = epsilon_from_rates(true_positives, 50, false_positives, 80, delta)
    silent = epsilon_from_rates(80 - false_positives, 80, 50 - true_positives, 50, delta)
    assert accused == pytest.approx(silent)
    assert 0 <= accused <= epsilon_from_rates(true_positives, 50, false_positives, 80, 0.0)


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 3.0])
def test_rates_of_randomised_response_are_refuted_no_more_often_than_stated(epsilon):
    count = 60
    tpr = 1 / (1 + np.exp(-epsilon))
    found = np.arange(count + 1)
    bounds = np.array(
        [[epsilon_from_rates(int(t), count, int(f), count, 0.0) for f in found] for t in found]
    )
    of_members = stats.binom.pmf(found, count, tpr)
    of_others = stats.binom.pmf(found, count, 1 - tpr)
    assert of_members @ (bounds > epsilon) @ of_others <= ERROR
    assert of_members @ bounds @ of_others > 0.4 * epsilon - 1e-9


# What is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: proportion(1, 0), "1 of 0 is no rate"),
        (lambda: proportion(5, 4), "5 of 4 is no rate"),
        (lambda: proportion(1, 2, confidence=95), "confidence is 95"),
        (lambda: one_run_p_value(10, 11, 3, 1.0, 0.0), "3 right of 11 guesses at 10 canaries"),
        (lambda: one_run_epsilon(10, 10, 3, 1.5), "delta is 1.5"),
        (lambda: one_run_epsilon(10, 10, 3, 0.0, confidence=1.0), "confidence is 1.0"),
        (lambda: epsilon_from_rates(1, 2, 0, 2, float("nan")), "delta is nan"),
        (lambda: roc_auc(np.zeros(1), np.zeros(5)), "at least two"),
        (lambda: roc_auc(np.array([0, np.nan]), np.zeros(5)), "not numbers"),
        (lambda: tpr_at_fpr(np.zeros(3), np.zeros(0), 0.1), "give others"),
        (lambda: tpr_at_fpr(np.zeros(3), np.zeros(3), 1.0), "false positive rate of 1.0"),
        (lambda: tpr_at_fpr(np.zeros(0), np.zeros(3), 0.1), "0 of 0 is no rate"),
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
