"""Presets: they follow from public facts alone, and more of a budget never buys less."""

import itertools

import pytest

from safegen.schemas.card import DataCard, PictureShape
from safegen.training.presets.registry import preset

EPSILONS = (0.5, 1.0, 3.0, 4.0, 10.0)
SIZES = (20, 300, 1_800, 5_000, 19_999, 60_000)


def card(name="scans", units=60_000, classes=10, channels=1, side=28):
    return DataCard(
        name=name, source="a test", licence="none", count=units,
        shape=PictureShape(channels=channels, height=side, width=side),
        classes=tuple(f"class {number}" for number in range(classes)),
        digest="sha256:" + "0" * 64, units=units,
    )  # fmt: skip


@pytest.mark.parametrize("family", ["vae", "gan"])
@pytest.mark.parametrize("prior", ["auto", "none", "strokes"])
@pytest.mark.parametrize("warm_start", ["none", "moments"])
def test_every_preset_can_be_planned(family, prior, warm_start):
    for units, epsilon, classes in itertools.product(SIZES, EPSILONS, (1, 10)):
        chosen = preset(
            family, card(units=units, classes=classes), epsilon, prior=prior, warm_start=warm_start
        )
        assert 1 <= chosen.expected_batch_size <= units
        assert all(each.share > 0 for each in chosen.shares)
        assert sum(each.share for each in chosen.shares) < 1
        purposes = [each.purpose for each in chosen.shares]
        assert len(set(purposes)) == len(purposes)
        assert ("components" in purposes) == (
            chosen.architecture.components > 1 and "latents" in purposes
        )
        assert ("grain" in purposes) == (chosen.architecture.grain and "latents" in purposes)
        assert ("judge" in purposes) == chosen.architecture.judged
        assert ("basis" in purposes) == (warm_start == "moments")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "scans"])
def test_a_larger_budget_or_more_records_never_buy_less(name):
    def bought(units, epsilon):
        chosen = preset("vae", card(name, units), epsilon)
        made = chosen.architecture
        return made.latent, made.components, chosen.steps, chosen.recipe.prior_pictures

    for units in SIZES:
        for less, more in itertools.pairwise(EPSILONS):
            assert all(
                a <= b for a, b in zip(bought(units, less), bought(units, more), strict=True)
            )
    for epsilon in EPSILONS:
        for fewer, more in itertools.pairwise(SIZES):
            assert bought(fewer, epsilon)[:2] <= bought(more, epsilon)[:2]


@pytest.mark.parametrize(
    ("name", "prior"),
    [("mnist", "strokes"), ("digits", "strokes"), ("fashion-mnist", "silhouettes"),
     ("scans", "leaves")],
)  # fmt: skip
def test_the_prior_follows_from_the_name_that_everybody_knows(name, prior):
    assert preset("vae", card(name), 1.0).recipe.prior == prior
    assert preset("gan", card(name), 1.0, prior="none").recipe.prior is None


def test_only_strokes_are_stretched_and_only_large_sets_of_other_pictures_have_grain():
    assert preset("vae", card("mnist"), 1.0).architecture.contrast > 0
    assert preset("vae", card("scans"), 1.0).architecture.contrast == 0
    assert preset("vae", card("scans"), 1.0).architecture.grain
    assert not preset("vae", card("mnist"), 1.0).architecture.grain
    assert not preset("vae", card("scans", units=1_000), 1.0).architecture.grain


def test_a_judge_is_for_pictures_other_than_strokes_with_something_to_tell_apart():
    def judged(name="scans", family="vae", **changes):
        prior = changes.pop("prior", "auto")
        return preset(family, card(name, **changes), 1.0, prior=prior).architecture.judged

    assert judged()
    assert judged(family="gan")
    assert judged("fashion-mnist")
    assert not judged("mnist")
    assert not judged(prior="none")
    assert not judged(classes=1)
    assert not judged(units=1_000)
