import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from safegen.audit.statistics import (
    epsilon_from_rates,
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
        (lambda: epsilon_from_rates(1, 2, 0, 2, float("nan")), "delta is nan"),
        (lambda: roc_auc(np.zeros(1), np.zeros(5)), "at least two"),
        (lambda: roc_auc(np.array([0, np.nan]), np.zeros(5)), "not numbers"),
        (lambda: tpr_at_fpr(np.zeros(3), np.zeros(0), 0.1), "give others"),
        (lambda: tpr_at_fpr(np.zeros(3), np.zeros(3), 1.0), "false positive rate of 1.0"),
        (lambda: tpr_at_fpr(np.zeros(0), np.zeros(3), 0.1), "0 of 0 is no rate"),
    ],
)
def test_what_cannot_be_counted_is_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()
