"""Pictures of one-shot releases look like the records' classes, and cost what they say."""

import math

import numpy as np
import pytest
import torch

from safegen.data.sources import load
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.mechanism.release import MOMENTS, Mechanism
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.training.releases import warmstart
from safegen.training.releases.warmstart import warm_pictures

DRAWN = 400


@pytest.fixture(scope="module")
def digits():
    return load("digits", size=28)


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(warmstart, "DRAWN_PICTURES", DRAWN)


def plan(noise_multiplier=1.0, *, purposes=("basis", "classes")):
    return PrivacyPlan(
        epsilon=1e6, delta=1e-4, units=1797, expected_batch_size=32, steps=4, clipping_norm=1.0,
        noise_multiplier=2.0,
        releases=tuple(
            DpRelease(purpose=purpose, noise_multiplier=noise_multiplier) for purpose in purposes
        ),
    )  # fmt: skip


def records(data, groups=None):
    return PrivateRecords(data.images, data.labels, groups)


def means(pictures, labels):
    shown = np.asarray(pictures, dtype=float).reshape(len(pictures), -1)
    return np.stack([shown[labels == label].mean(axis=0) for label in range(10)])


def test_they_look_like_their_classes(digits):
    made = warm_pictures(records(digits), 10, Releases(plan(0.5), 1))
    assert made.shape == (DRAWN, 1, 28, 28)
    assert made.dtype == torch.uint8
    found, true = means(made, np.arange(DRAWN) % 10), means(digits.images, digits.labels)
    alike = np.corrcoef(found, true)[:10, 10:]
    assert alike.diagonal().min() > 0.9
    assert (alike.argmax(axis=1) == np.arange(10)).all()
    assert made.float().std(dim=0).mean() > 10  # and they differ among themselves


def test_the_same_key_releases_the_same(digits):
    one = warm_pictures(records(digits), 10, Releases(plan(), 1))
    assert torch.equal(one, warm_pictures(records(digits), 10, Releases(plan(), 1)))
    assert not torch.equal(one, warm_pictures(records(digits), 10, Releases(plan(), 2)))


@pytest.mark.parametrize("purposes", [(), ("latents",), ("latents", "grain")])
def test_nothing_is_released_where_the_plan_has_nothing(digits, monkeypatch, purposes):
    monkeypatch.setattr(Mechanism, "release", lambda *_: 1 / 0)
    assert warm_pictures(records(digits), 10, Releases(plan(purposes=purposes), 1)) is None


def _same(one, other):
    return one is other is None or np.array_equal(one, other)


@pytest.mark.parametrize("groups", [None, np.arange(1797) // 3])
def test_each_release_is_made_once_as_the_plan_counts_it(digits, monkeypatch, groups):
    made = []
    whole = Mechanism.release

    def release(self, statistic, sensitivity):
        made.append((self.name, self.noise_multiplier, sensitivity, _same(self.groups, groups)))
        return whole(self, statistic, sensitivity)

    monkeypatch.setattr(Mechanism, "release", release)
    warm_pictures(records(digits, groups), 10, Releases(plan(3.0), 1))
    assert made == [("basis", 3.0, MOMENTS, True), ("classes", 3.0, MOMENTS, True)]


def test_no_record_is_shown_longer_than_the_radius(digits, monkeypatch):
    """A picture of nothing but white counts as little as its bound says."""
    seen = []
    whole = Mechanism.within
    monkeypatch.setattr(
        Mechanism,
        "within",
        lambda self, v: seen.append((self.radius, whole(self, v))) or seen[-1][1],
    )
    white = PrivateRecords(
        torch.full((3, 1, 28, 28), 255, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)
    )
    warm_pictures(white, 1, Releases(plan(), 1))
    for radius, vectors in seen:
        assert radius == math.sqrt(28 * 28) / 2
        assert np.linalg.norm(vectors, axis=1).max() <= 1 + 1e-9


@pytest.mark.parametrize("shape", [(1, 28, 64), (3, 32, 32)])
@pytest.mark.parametrize("classes", [1, 3])
def test_any_shape_and_any_number_of_classes(shape, classes):
    pictures = torch.randint(0, 256, (20, *shape), dtype=torch.uint8)
    labels = torch.zeros(20, dtype=torch.int64)  # the other classes are empty
    held = PrivateRecords(pictures, labels)
    for noise in (0.1, 1e4):
        made = warm_pictures(held, classes, Releases(plan(noise), 1))
        assert made.shape == (DRAWN, *shape)
