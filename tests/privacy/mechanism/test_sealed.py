"""Records under seal: what can be asked of them, what cannot, and how neighbours are made."""

import numpy as np
import pytest
import torch

from safegen.privacy.accounting.plan import PrivacyPlan
from safegen.privacy.mechanism import opening
from safegen.privacy.mechanism.engine import PrivateEngine
from safegen.privacy.mechanism.sampling import ABSENT_ROW, SampledUnits
from safegen.privacy.mechanism.sealed import PrivateRecords

COUNT = 9
PICTURES = np.arange(COUNT, dtype=np.uint8)[:, None, None, None].repeat(28, 2).repeat(28, 3)
LABELS = np.arange(COUNT) % 3
GROUPS = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2])


def records(groups=None):
    return PrivateRecords(PICTURES, LABELS, groups)


def values_of(pictures, labels):
    return (pictures[:, 0, 0, :1].double() * 255).round().numpy()


def test_nothing_of_a_record_shows():
    for held in (records(), records().derived(values_of, rows=4)):
        shown = {name for name in dir(held) if not name.startswith("_")}
        assert shown <= {
            "shape", "device", "to", "without", "derived", "order", "mapped", "relabelled"
        }  # fmt: skip
        assert "under seal" in repr(held)
        assert not hasattr(held, "__dict__")
        with pytest.raises(TypeError):
            len(held)
        with pytest.raises(TypeError):
            iter(held)


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_what_is_computed_from_records_stays_in_their_order(rows):
    held = opening.vectors_of(records(GROUPS).derived(values_of, rows=rows))
    assert held.values[:, 0].tolist() == list(range(COUNT))
    assert held.labels.tolist() == LABELS.tolist()
    assert held.groups.tolist() == GROUPS.tolist()


def test_mapped_and_relabelled_change_what_they_say():
    made = records().derived(values_of, rows=4)
    doubled = opening.vectors_of(made.mapped(lambda values: 2 * values))
    assert doubled.values[:, 0].tolist() == [2.0 * number for number in range(COUNT)]
    alike = opening.vectors_of(made.relabelled(lambda _, labels: 0 * labels))
    assert not alike.labels.any()
    assert np.array_equal(alike.values, opening.vectors_of(made).values)


def test_a_neighbour_lacks_a_record_and_numbers_the_others_as_before():
    less = records().without([2, 5])
    held = opening.vectors_of(less.derived(values_of, rows=4))
    assert held.values[:, 0].tolist() == [0, 1, 3, 4, 6, 7, 8]
    numbers = np.array([8, 2, 0, ABSENT_ROW])
    pictures, labels = opening.rows_of(less, opening.places_of(less, numbers))
    assert (pictures[:, 0, 0, 0] * 255).round().tolist() == [8, 0, 0, 0]
    assert labels.tolist() == [2, 0, 0, 0]
    twice = opening.vectors_of(less.without([0]).derived(values_of, rows=4))
    assert twice.values[:, 0].tolist() == [1, 3, 4, 6, 7, 8]


def test_a_neighbour_lacks_a_whole_group():
    less = records(GROUPS).without([1])
    held = opening.vectors_of(less.derived(values_of, rows=4))
    assert held.values[:, 0].tolist() == [0, 1, 5, 6, 7, 8]
    assert held.groups.tolist() == [0, 0, 2, 2, 2, 2]
    assert opening.groups_of(less).tolist() == GROUPS.tolist()  # so that the sampler finds them


def test_nobody_has_vectors_of_as_many_dimensions():
    nobody = records().without(range(COUNT))
    assert opening.vectors_of(nobody.derived(values_of, rows=4)).values.shape == (0, 1)
    pictures, labels = opening.rows_of(nobody, opening.places_of(nobody, np.arange(0)))
    assert len(pictures) == len(labels) == 0


def test_records_in_another_order_have_another_digest():
    turned = PrivateRecords(PICTURES[::-1].copy(), LABELS[::-1].copy())
    assert records().order() == records().order()
    others = [turned, records(GROUPS), records().without([8]), PrivateRecords(PICTURES, 0 * LABELS)]
    digests = {records().order(), *(other.order() for other in others)}
    assert len(digests) == 5


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_the_engine_draws_by_number_and_finds_nobody_who_is_gone(groups):
    made_plan = PrivacyPlan(
        epsilon=8.0, delta=1e-4, units=COUNT if groups is None else 3, expected_batch_size=1,
        steps=1, clipping_norm=1.0, noise_multiplier=2.0,
        unit="record" if groups is None else "group",
        records_per_unit=1 if groups is None else 2,
    )  # fmt: skip
    layer = torch.nn.Linear(28 * 28, 1)
    held = records(groups).without([1])
    optimizer = torch.optim.SGD(layer.parameters())
    engine = PrivateEngine(layer, made_plan, optimizer, groups=held)
    numbers = np.array([1, 3]) if groups is None else np.array([2, 3, 5, ABSENT_ROW])
    draw, (pictures,) = engine.opened(
        held, SampledUnits(rows=numbers, canaries=np.arange(0)), lambda pictures, _: (pictures,)
    )
    if groups is None:  # a record that is gone leaves no row
        assert draw.rows.tolist() == [2]
        assert (pictures[:, 0, 0, 0] * 255).round().tolist() == [3]
    else:  # a group may have fewer records than are drawn anyhow
        assert draw.rows.tolist() == [ABSENT_ROW, ABSENT_ROW, 2, ABSENT_ROW]
        assert (pictures[:, 0, 0, 0] * 255).round().tolist() == [0, 0, 5, 0]
