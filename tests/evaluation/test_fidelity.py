import numpy as np
import pytest
from scipy import linalg
from sklearn.neighbors import NearestNeighbors

from safegen.errors import DataError
from safegen.evaluation.fidelity import compare, frechet_distance, precision_and_recall
from safegen.evaluation.memorization import nearest_records


def cloud(count, seed, *, middle=0.0, scale=1.0, features=6):
    return np.random.default_rng(seed).normal(middle, scale, (count, features))


def test_frechet_of_two_gaussians_is_the_closed_form():
    """With diagonal covariances: |m1 - m2|^2 + sum (s1 - s2)^2, up to sampling."""
    one, two = cloud(60_000, 0), cloud(60_000, 1, middle=2.0, scale=3.0)
    assert frechet_distance(one, two) == pytest.approx(6 * (2**2 + (3 - 1) ** 2), rel=0.02)


def test_frechet_is_that_of_the_matrix_root_by_scipy():
    generator = np.random.default_rng(2)
    one, two = (generator.normal(size=(300, 5)) @ generator.normal(size=(5, 5)) for _ in range(2))
    first, second = np.cov(one.T), np.cov(two.T)
    root = linalg.sqrtm(first @ second).real
    expected = ((one.mean(0) - two.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(one, two) == pytest.approx(expected)
    assert frechet_distance(two, one) == pytest.approx(expected)


def test_frechet_with_fewer_rows_than_features_is_a_number():
    one = cloud(10, 0, features=40)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, one + 1) == pytest.approx(40)


def test_the_same_cloud_has_precision_and_recall_of_almost_one():
    precision, recall = precision_and_recall(cloud(2500, 0), cloud(2500, 1))
    assert precision > 0.9
    assert recall > 0.9


def test_far_clouds_have_neither():
    assert precision_and_recall(cloud(300, 0), cloud(300, 1, middle=50.0)) == (0.0, 0.0)


def test_a_dropped_mode_costs_recall_and_junk_costs_precision():
    two_modes = np.concatenate([cloud(300, 0), cloud(300, 1, middle=30.0)])
    one_mode = cloud(600, 2)
    precision, recall = precision_and_recall(two_modes, one_mode)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.05)
    precision, recall = precision_and_recall(one_mode, two_modes)
    assert precision == pytest.approx(0.5, abs=0.05)
    assert recall > 0.9


def covered(some, by):
    """The share of `some` that lie within the third neighbour's distance of one of `by`."""
    radii = NearestNeighbors(n_neighbors=4).fit(by).kneighbors(by)[0][:, -1]
    reached = np.linalg.norm(some[:, None] - by[None], axis=2) <= radii
    return reached.any(axis=1).mean()


@pytest.mark.parametrize("middle", [0.0, 0.5, 2.0])
def test_precision_and_recall_are_those_of_scikit_learns_neighbours(middle):
    records, made = cloud(150, 0), cloud(120, 1, middle=middle)
    expected = covered(made, records), covered(records, made)
    assert precision_and_recall(records, made) == pytest.approx(expected, abs=1e-9)


def test_batches_do_not_change_the_answer(monkeypatch):
    whole = precision_and_recall(cloud(90, 0), cloud(70, 1, middle=0.8))
    monkeypatch.setattr("safegen.evaluation.fidelity.BATCH_ROWS", 16)
    assert precision_and_recall(cloud(90, 0), cloud(70, 1, middle=0.8)) == whole


def test_the_floor_is_that_of_training_records():
    found = compare(cloud(400, 0, middle=3.0), cloud(400, 1), cloud(400, 2), space="made up")
    assert found.frechet.floor < 1 < found.frechet.value
    assert found.precision.value < found.precision.floor
    assert found.count == 400


def test_unequal_numbers_have_no_floor():
    with pytest.raises(DataError, match="equal numbers"):
        compare(cloud(10, 0), cloud(10, 1), cloud(9, 2), space="made up")


def test_too_few_have_no_neighbour():
    with pytest.raises(DataError, match="neighbour number 3"):
        precision_and_recall(cloud(3, 0), cloud(30, 1))


def pictures(count, seed, *, brighter=0):
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 120, (count, 1, 7, 7))
    return (coarse.repeat(4, 2).repeat(4, 3) + brighter).astype(np.uint8)


def test_a_generator_that_copies_its_records_is_found():
    training, held_out = pictures(300, 0), pictures(300, 1)
    noisy = training[:200] ^ np.random.default_rng(3).integers(0, 4, (200, 1, 28, 28), np.uint8)
    found = nearest_records(noisy, training, held_out, pictures(300, 2))
    assert found.copies
    assert found.nearer.value == 1
    assert found.to_training < found.to_held_out
    assert 0.3 < found.control.value < 0.7


def test_a_few_copies_among_many_are_found():
    training, held_out = pictures(300, 0), pictures(300, 1)
    mixed = np.concatenate([training[:100], pictures(200, 4)])
    found = nearest_records(mixed, training, held_out, pictures(300, 2))
    assert found.copies
    assert found.nearer.value == pytest.approx(2 / 3, abs=0.1)


def test_an_honest_generator_is_not_accused():
    accused = [
        nearest_records(
            pictures(200, 10 + seed),
            pictures(150, 30 + seed),
            pictures(150, 50 + seed),
            pictures(200, 70 + seed),
        )
        for seed in range(12)
    ]
    assert not any(each.copies for each in accused)
    assert 0.2 < np.mean([each.p_value for each in accused]) < 0.8


def test_a_difference_between_the_splits_is_no_copying():
    """Held-out records from elsewhere: the control, too, is nearer to training records."""
    found = nearest_records(
        pictures(200, 0), pictures(150, 1), pictures(150, 2, brighter=100), pictures(200, 3)
    )
    assert found.nearer.value > 0.7
    assert found.control.value > 0.7
    assert not found.copies


def test_one_record_repeated_proves_nothing():
    """It may be a training one by chance: one coin, however often it is found."""
    training, held_out = pictures(150, 0), pictures(150, 1)
    found = nearest_records(training[:1].repeat(200, 0), training, held_out, None)
    assert found.nearer.value == 1
    assert found.nearer.low < 0.5
    assert not found.copies


def test_records_in_both_sets_count_half():
    same = pictures(100, 0)
    found = nearest_records(pictures(50, 1), same, same, None)
    assert found.nearer.value == 0.5


def test_unequal_or_too_few_records_are_refused():
    with pytest.raises(DataError, match="cannot be compared"):
        nearest_records(pictures(50, 0), pictures(30, 1), pictures(29, 2), None)
    with pytest.raises(DataError, match="at least 20"):
        nearest_records(pictures(50, 0), pictures(10, 1), pictures(10, 2), None)
