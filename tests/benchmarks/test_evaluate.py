"""What the measurements of an evaluation cost, over one product of the same matrices."""

import statistics
import time

import numpy as np
import pytest

from safegen.evaluation.fidelity import frechet_distance, precision_and_recall
from safegen.evaluation.memorization import nearest_records

pytestmark = pytest.mark.benchmark

COUNT, FEATURES, SIDE, ROUNDS = 10_000, 256, 28, 3


def seconds(work, *arguments):
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work(*arguments)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def test_measurements_over_a_matrix_product():
    generator = np.random.default_rng(0)
    points = [generator.normal(size=(COUNT, FEATURES)) for _ in range(2)]
    pictures = [
        generator.integers(0, 256, (COUNT, 1, SIDE, SIDE), dtype=np.uint8) for _ in range(4)
    ]
    one, other = (each.astype(np.float32) for each in points)
    product = seconds(lambda: one @ other.T)
    rows = {
        "one product": product,
        "Frechet distance": seconds(frechet_distance, *points),
        "precision and recall": seconds(precision_and_recall, *points),
        "nearest records": seconds(nearest_records, *pictures),
    }
    print(f"\n| {COUNT:,} of each kind | seconds | over one product |\n| --- | --- | --- |")
    for name, taken in rows.items():
        print(f"| {name} | {taken:.2f} | {taken / product:.1f} |")
