import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from safegen.audit.membership import Labelled, membership_inference
from safegen.audit.statistics import epsilon_from_rates, roc_auc
from safegen.errors import DataError


@dataclasses.dataclass(frozen=True)
class Some:
    """Pictures with their labels."""

    pictures: np.ndarray
    labels: np.ndarray

    def __getitem__(self, which):
        return Some(self.pictures[which], self.labels[which])

    def __add__(self, more):
        return Some(
            np.concatenate([self.pictures, more.pictures]),
            np.concatenate([self.labels, more.labels]),
        )

    def noisy(self, deviation, seed=0):
        noise = np.random.default_rng(seed).normal(0, deviation, self.pictures.shape)
        return Some(np.clip(self.pictures + noise, 0, 255).astype(np.uint8), self.labels)


def digits():
    pictures, labels = load_digits(return_X_y=True)
    return Some((pictures * 15).astype(np.uint8).reshape(-1, 1, 8, 8), labels.astype(np.int64))


DIGITS = digits()


def parts(*sizes, seed=0):
    """Disjoint random parts of the digits."""
    order = np.random.default_rng(seed).permutation(len(DIGITS.labels))
    return [DIGITS[part] for part in np.split(order, np.cumsum(sizes))[: len(sizes)]]


def attack(samples, members, others, **changes):
    return membership_inference(
        *(Labelled(each.pictures, each.labels) for each in (samples, members, others)),
        **({"delta": 1e-5} | changes),
    )


@pytest.mark.parametrize("deviation", [0, 5, 15])
def test_a_generator_that_repeats_its_members_is_caught(deviation):
    members, others = parts(500, 500)
    found = attack(members.noisy(deviation), members, others)
    assert found.auc.low > 0.9
    assert found.lower_bound > 1
    assert found.tpr.low > 0.3


def test_a_generator_that_repeats_one_member_in_ten_is_caught_where_it_counts():
    """The AUC hardly shows it; the true positive rate at few false ones does."""
    members, others, fresh = parts(500, 600, 600)
    found = attack(members[:50] + fresh, members, others)
    assert found.auc.value < 0.6
    assert found.tpr.low > 0.05
    assert found.lower_bound > 0.5


def test_a_generator_that_never_saw_the_members_is_acquitted():
    missed = 0
    for seed in range(20):
        members, others, fresh = parts(400, 500, 800, seed=seed)
        found = attack(fresh.noisy(10), members, others, seed=seed)
        missed += not found.auc.low <= 0.5 <= found.auc.high
        assert found.lower_bound == 0
    assert missed <= 3  # of 20 that miss with 5% each: exceeded once in 60


def test_what_it_finds_states_what_it_rests_on():
    members, others = parts(300, 401)
    found = attack(members, members, others, confidence=0.9, fpr=0.02)
    reference = sum((count + 1) // 2 for count in np.bincount(others.labels))
    assert (found.members, found.others) == (300, 401 - reference)
    assert (found.fpr, found.confidence) == (0.02, 0.9)
    assert found.auc.confidence == found.tpr.confidence == 0.9
    assert found.tpr.value == 1


def test_the_bound_counts_only_records_that_did_not_choose_its_threshold():
    members, others = parts(300, 400)
    found = attack(members, members, others)
    assert found.auc.value == 1
    halves = 300 // 2, found.others // 2
    assert found.lower_bound == epsilon_from_rates(halves[0], halves[0], 0, halves[1], 1e-5)


def test_the_bound_stays_below_an_epsilon_that_is_known():
    """Randomised response: whether a record is copied tells with epsilon that it is a member."""
    epsilon, runs = 1.5, 40
    bounds = []
    for seed in range(runs):
        members, others, fresh = parts(500, 800, 300, seed=seed)
        generator = np.random.default_rng(seed)
        copied = [
            some[generator.random(len(some.labels)) < 1 / (1 + np.exp(sign * epsilon))]
            for some, sign in ((members, -1), (others, 1))
        ]
        found = attack(copied[0] + copied[1] + fresh, members, others, delta=0.0, seed=seed)
        bounds.append(found.lower_bound)
    assert (np.array(bounds) > epsilon).sum() <= stats.binom.ppf(0.999, runs, 0.05)
    assert np.median(bounds) > 0.5 * epsilon


def test_the_same_seed_finds_the_same():
    members, others, fresh = parts(300, 400, 400)
    samples = fresh + members[:30]
    assert attack(samples, members, others, seed=3) == attack(samples, members, others, seed=3)
    assert attack(samples, members, others, seed=3) != attack(samples, members, others, seed=4)


def easy(count, seed):
    """Pictures that are all near to each other: each class's mean, a little blurred by noise."""
    labels = np.arange(count) % 10
    means = np.stack([DIGITS.pictures[DIGITS.labels == label].mean(axis=0) for label in range(10)])
    return Some(means[labels].astype(np.uint8), labels).noisy(8, seed)


def auc_by_distance_alone(samples, members, others):
    def nearest(some):
        near = NearestNeighbors(n_neighbors=1).fit(samples.pictures.reshape(-1, 64))
        return -near.kneighbors(some.pictures.reshape(-1, 64))[0][:, 0]

    return roc_auc(nearest(members), nearest(others)).value


def test_easy_records_that_were_not_trained_on_do_not_look_like_members():
    members, hard, fresh = parts(400, 200, 400)
    others, samples = hard + easy(200, 1), fresh + easy(200, 2)
    assert auc_by_distance_alone(samples, members, others) < 0.35
    assert 0.43 < attack(samples, members, others).auc.value < 0.57


def test_members_are_found_behind_easy_records():
    members, hard = parts(400, 200)
    others, samples = hard + easy(200, 1), members.noisy(20) + easy(200, 2)
    assert auc_by_distance_alone(samples, members, others) < 0.8
    assert attack(samples, members, others).auc.value > 0.95


def test_classes_in_other_proportions_do_not_look_like_membership():
    missed = 0
    for seed in range(20):
        members, others, fresh = parts(700, 700, 390, seed=seed)
        members = members[members.labels < np.random.default_rng(seed).choice([5, 10], 700)]
        samples = fresh[fresh.labels >= np.random.default_rng(seed).choice([0, 5], 390)]
        found = attack(samples, members, others, seed=seed)
        missed += not found.auc.low <= 0.5 <= found.auc.high
    assert missed <= 3


def test_a_generator_collapsed_to_one_picture_tells_nothing():
    members, others = parts(300, 300)
    one = Some(np.repeat(DIGITS.pictures[:1], 100, axis=0), np.arange(100) % 10)
    found = attack(one, members, others)
    assert found.auc.low < 0.5 < found.auc.high
    assert found.lower_bound == 0


@pytest.mark.parametrize("each", [2, 4, 5, 8])
def test_few_held_out_records_of_a_class_are_enough(each):
    members, held_out = parts(200, 800)
    first = [np.flatnonzero(held_out.labels == label)[:each] for label in range(10)]
    found = attack(members, members, held_out[np.concatenate(first)])
    assert found.others == 10 * (each // 2)
    assert found.auc.value > 0.9


def test_colour_pictures_are_attacked_alike():
    def coloured(some):
        return Some(np.repeat(some.pictures, 3, axis=1), some.labels)

    members, others = map(coloured, parts(200, 200))
    assert attack(members, members, others).auc.value > 0.99


MEMBERS, OTHERS, FRESH = parts(200, 200, 200)


@pytest.mark.parametrize(
    ("samples", "members", "others", "message"),
    [
        (FRESH, MEMBERS, OTHERS[:19], "19 held-out records are too few.*give 20 or more"),
        (FRESH, MEMBERS[:0], OTHERS, "0 members are too few"),
        (FRESH[:0], MEMBERS, OTHERS, "0 generated pictures are too few"),
        (FRESH, Some(MEMBERS.pictures, OTHERS.labels[:9]), OTHERS, "200 members have 9 labels"),
        (Some(FRESH.pictures / 255, FRESH.labels), MEMBERS, OTHERS, "type float64; give uint8"),
        (Some(FRESH.pictures[:, 0], FRESH.labels), MEMBERS, OTHERS, r"shape \(200, 8, 8\)"),
        (Some(FRESH.pictures[..., :7], FRESH.labels), MEMBERS, OTHERS, "differ in shape"),
        (FRESH[FRESH.labels != 3], MEMBERS, OTHERS, "no generated pictures of class 3"),
        (FRESH, MEMBERS, OTHERS[OTHERS.labels != 7], "no held-out records of class 7"),
    ],
)
def test_what_cannot_be_attacked_is_refused_with_a_way_out(samples, members, others, message):
    with pytest.raises(DataError, match=message):
        attack(samples, members, others)
