"""A judge learns from noisy sums alone to tell labels apart."""

import numpy as np
import pytest
import torch

from safegen.models.label_filter import LabelFilter
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.mechanism.lattice import Lattice
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.training.releases import label_filter
from safegen.training.releases.label_filter import fit_label_filter

COUNT, CLASSES, KEY = 1500, 3, 7


def pictures(count, seed=0):
    """Stripes across, down, or aslant, somewhere and of some strength, in noise; uint8."""
    source = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    labels = torch.arange(count) % CLASSES
    along = torch.stack([rows, columns, (rows + columns) / 1.4])[labels]
    phase = torch.rand(count, 1, 1, generator=source) * 6
    strength = torch.rand(count, 1, 1, generator=source) * 0.3 + 0.1
    noise = torch.rand(count, 28, 28, generator=source) * 0.3
    made = (0.4 + strength * torch.sin(along + phase) + noise).clamp(0, 1)
    return (made * 255).byte()[:, None], labels


def records(groups=None):
    shown, labels = pictures(COUNT)
    return PrivateRecords(shown, labels, groups)


def plan(noise_multiplier=5.0, purpose="judge", units=COUNT, **changes):
    return PrivacyPlan(
        epsilon=8.0, delta=1e-4, units=units, expected_batch_size=100, steps=5, clipping_norm=1.0,
        noise_multiplier=1.0,
        releases=(DpRelease(purpose=purpose, noise_multiplier=noise_multiplier, count=30),),
        **changes,
    )  # fmt: skip


def fitted(made, data=None, key=KEY, reference=None):
    shown = pictures(300, seed=5)[0] if reference is None else reference
    return fit_label_filter(data or records(), CLASSES, Releases(made, key), reference=shown)


def accuracy(found):
    judge = LabelFilter(CLASSES, 1)
    judge.weights.copy_(torch.from_numpy(found[0]))
    judge.biases.copy_(torch.from_numpy(found[1]))
    shown, labels = pictures(600, seed=1)
    return (judge(shown.float() / 255).argmax(1) == labels).float().mean()


def test_it_tells_labels_apart_and_less_so_in_more_noise():
    assert accuracy(fitted(plan(2.0))) > 0.95
    assert accuracy(fitted(plan(5000.0))) < 0.7


def test_without_its_release_nothing_is_looked_at():
    assert fitted(plan(purpose="latents")) is None


def test_the_same_key_makes_the_same_judge_and_another_one_another():
    first, again, other = (fitted(plan(), key=key) for key in (KEY, KEY, KEY + 1))
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def test_each_round_has_noise_of_its_own(monkeypatch):
    streams = []
    whole = Lattice.noise

    def noise(self, count, generator):
        streams.append(whole(self, count, generator))
        return streams[-1]

    monkeypatch.setattr(Lattice, "noise", noise)
    fitted(plan())
    assert len(streams) == 30
    correlations = np.corrcoef(np.stack(streams)) - np.eye(30)
    assert np.abs(correlations).max() < 0.1


@pytest.fixture
def released(monkeypatch):
    """What rounds add noise to, and no noise."""
    seen = []
    whole = Lattice.points

    def points(self, statistic):
        seen.append(statistic)
        return whole(self, statistic)

    monkeypatch.setattr(Lattice, "points", points)
    monkeypatch.setattr(Lattice, "noise", lambda _, dimensions, __: np.zeros(dimensions, np.int64))
    return seen


def test_no_record_moves_a_round_by_more_than_its_bound(released, monkeypatch):
    """The first round, in which nothing was learnt yet that could depend on it."""
    monkeypatch.setattr(label_filter, "BIAS_FEATURE", 3.0)  # so that every gradient is too long
    data = records()
    fitted(plan(), data)
    for left_out in range(3):
        fitted(plan(), data.without([left_out]))
    whole, *without = (np.array(each) for each in released[::30])
    for less in without:
        assert np.linalg.norm(whole - less) == pytest.approx(1)


def test_no_group_moves_a_round_by_more_than_its_bound(released):
    groups = np.arange(COUNT) // 3
    made = plan(2.0, units=COUNT // 3, unit="group", records_per_unit=3)
    fitted(made, records(groups))
    fitted(made, records(groups).without([0]))
    assert 0 < np.linalg.norm(released[0] - released[30]) <= 1 + 1e-9
    total = np.linalg.norm(released[0])
    released.clear()
    fitted(made, records())
    assert np.linalg.norm(released[0]) == pytest.approx(3 * total, rel=0.05)


def test_groups_teach_as_records_do():
    groups = np.arange(COUNT) // 3
    made = plan(2.0, units=COUNT // 3, unit="group", records_per_unit=3)
    assert accuracy(fitted(made, records(groups))) > 0.9


def test_one_public_picture_is_enough():
    found = fitted(plan(), reference=pictures(1)[0])
    assert accuracy(found) > 0.9


@pytest.mark.parametrize("value", [0, 128])
def test_public_pictures_that_are_all_one_spoil_nothing(value):
    flat = torch.full((50, 1, 28, 28), value, dtype=torch.uint8)
    found = fitted(plan(), reference=flat)
    assert np.isfinite(found[0]).all()
    assert np.isfinite(found[1]).all()
