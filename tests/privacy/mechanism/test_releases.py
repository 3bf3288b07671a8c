"""What is released is what was planned: no more, no less, and counted as it was made."""

import numpy as np
import pytest

from safegen.errors import PlanError, TrainingError
from safegen.privacy.accounting.certify import certify
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.mechanism.outlet import Canned, Overheard
from safegen.privacy.mechanism.release import Mechanism
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateVectors, Vectors
from safegen.schemas.card import DataCard, PictureShape
from safegen.schemas.certificate import Gaussian, Noise

LATENTS = DpRelease(purpose="latents", noise_multiplier=5.0)
JUDGE = DpRelease(purpose="judge", noise_multiplier=40.0, count=3)
CARD = DataCard(
    name="made up", source="", licence="", count=300, units=300, digest="sha256:00",
    shape=PictureShape(channels=1, height=28, width=28), classes=("a", "b"),
)  # fmt: skip
NOISE = Noise(
    source="operating system",
    lattice_spacing=2**-18,
    sensitivity_margin=0.002,
    arithmetic_allowance=0.001,
)


def plan(*releases):
    return PrivacyPlan(
        epsilon=8.0, delta=1e-4, units=300, expected_batch_size=10, steps=4, clipping_norm=1.0,
        noise_multiplier=2.0, releases=releases,
    )  # fmt: skip


def vectors(count=20, groups=None):
    drawn = np.random.default_rng(0).normal(size=(count, 3))
    return PrivateVectors(Vectors(values=drawn, labels=np.arange(count) % 2, groups=groups))


def moments(releases, purpose="latents"):
    return releases.class_moments(purpose, vectors(), classes=2, radius=1.0)


def gradients(releases):
    return releases.outer_products("judge", vectors(), lambda seen, _: seen, radius=1.0)


def test_what_was_made_is_what_is_counted():
    releases = Releases(plan(JUDGE, LATENTS), 7)
    assert releases.events() == ()
    gradients(releases)
    moments(releases)
    gradients(releases)
    assert releases.events() == (
        Gaussian(noise_multiplier=40.0, count=2),
        Gaussian(noise_multiplier=5.0),
    )
    gradients(releases)
    assert releases.events() == plan(JUDGE, LATENTS).release_events()


def test_an_unplanned_release_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(Mechanism, "release", lambda *_: 1 / 0)
    releases = Releases(plan(LATENTS))
    with pytest.raises(PlanError, match="release of grain was asked for and none is planned"):
        releases.total("grain", vectors(), radius=1.0)
    with pytest.raises(PlanError, match="plan every release"):
        gradients(releases)
    assert releases.events() == ()


def test_one_more_than_planned_is_refused():
    releases = Releases(plan(LATENTS, JUDGE))
    moments(releases)
    with pytest.raises(PlanError, match="release of latents was asked for and 1 of it are"):
        moments(releases)
    for _ in range(3):
        gradients(releases)
    with pytest.raises(PlanError, match="3 of it are planned"):
        gradients(releases)
    assert releases.events() == plan(LATENTS, JUDGE).release_events()


def test_a_resumed_run_knows_what_was_made():
    releases = Releases(plan(LATENTS, JUDGE), made={"latents": 1, "judge": 2})
    with pytest.raises(PlanError):
        moments(releases)
    gradients(releases)
    assert releases.made == {"latents": 1, "judge": 3}


def test_each_release_has_a_name_of_its_own():
    heard = Overheard()
    releases = Releases(plan(LATENTS, JUDGE), 7, outlet=heard)
    moments(releases)
    for _ in range(3):
        gradients(releases)
    assert [each.name for each in heard.outputs] == ["latents", "judge 0", "judge 1", "judge 2"]
    assert [each.noise_multiplier for each in heard.outputs] == [5.0, 40.0, 40.0, 40.0]


def test_loudness_clips_every_record():
    heard = Overheard()
    one = PrivateVectors(
        Vectors(values=np.full((1, 3), 1e-3), labels=np.zeros(1, int), groups=None)
    )
    for loudness in (1.0, 1e6):
        releases = Releases(plan(LATENTS), 7, outlet=heard, loudness=loudness)
        releases.class_moments("latents", one, classes=2, radius=1.0)
    quiet, loud = (np.linalg.norm(each.statistic) for each in heard.outputs)
    assert quiet < 0.6
    assert loud == pytest.approx(heard.outputs[0].sensitivity)


def test_a_canned_value_tells_nothing_of_the_records():
    found = []
    for count in (2, 20):
        releases = Releases(plan(LATENTS, JUDGE), outlet=Canned())
        first = moments(releases).sums
        found.append((first, *(
            releases.outer_products("judge", vectors(count), lambda seen, _: seen, radius=1.0)
            for _ in range(3)
        )))  # fmt: skip
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(found[0][1], found[0][2])


def certified(events, made_plan):
    return certify(made_plan, events, CARD, steps_run=4, noise=NOISE, lower_bound=None)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ((), "4 steps at noise 2 ran"),
        ((Gaussian(noise_multiplier=5.0),), "1 release at noise 5 ran"),
        (
            (Gaussian(noise_multiplier=5.0), Gaussian(noise_multiplier=40.0, count=2)),
            "2 releases at noise 40 ran",
        ),
        (
            (Gaussian(noise_multiplier=4.0), Gaussian(noise_multiplier=40.0, count=3)),
            "at noise 4, 3",
        ),
    ],
)
def test_what_ran_otherwise_than_planned_is_not_certified(made, told):
    """Also when less was spent: then what was made is not what the plan says was made."""
    made_plan = plan(LATENTS, JUDGE)
    with pytest.raises(TrainingError, match="not what was planned") as refused:
        certified((*made_plan.step_events(4), *made), made_plan)
    assert told in str(refused.value)


def test_what_ran_as_planned_is_certified():
    made_plan = plan(LATENTS, JUDGE)
    assert certified(made_plan.events(4), made_plan).events == made_plan.events()


def test_steps_that_were_not_counted_are_not_certified():
    made_plan = plan(LATENTS)
    with pytest.raises(TrainingError, match="3 steps at noise 2, 1 release at noise 5 ran, and 4"):
        certified((*made_plan.step_events(3), *made_plan.release_events()), made_plan)
