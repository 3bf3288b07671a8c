import pytest
import torch

from safegen.models.generator import LatentGenerator, one_hot
from safegen.models.layers import features, halvings
from safegen.models.registry import discriminator_of
from safegen.models.vae import ConditionalVAE
from safegen.schemas.config import Architecture

SHAPES = [
    *((channels, side, side) for side in (28, 32, 48, 64, 96, 128) for channels in (1, 3)),
    (1, 36, 44), (1, 64, 48), (1, 60, 60), (1, 120, 120), (1, 28, 128),
]  # fmt: skip
MOST_FEATURES = 512  # numbers a channel before a linear layer


def architecture(channels=1, height=28, width=28, family="vae", **changes):
    return Architecture(
        family=family, channels=channels, height=height, width=width, classes=3, latent=5, base=4,
        **changes,
    )  # fmt: skip


def full(**changes):
    """A generator with components, contrast and grain, none of them as they were first made."""
    torch.manual_seed(0)
    made = architecture(
        **({"components": 2, "conditional": False, "contrast": 0.2, "grain": True} | changes)
    )
    generator = LatentGenerator(made)
    generator.prior.means.normal_()
    generator.prior.factors.normal_().mul_(0.3)
    generator.prior.shares.copy_(torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.0, 1.0]]))
    generator.grain.spectrum.uniform_(0, 1)
    return generator


@pytest.mark.parametrize("shape", SHAPES)
def test_every_size_from_28_to_128_grey_and_rgb(shape):
    made = architecture(*shape)
    pictures, labels = torch.rand(2, *shape), torch.tensor([0, 2])
    onehot = one_hot(labels, 3)
    logits, mean, log_variance = ConditionalVAE(made)(pictures, onehot, torch.randn(2, 5))
    assert logits.shape == pictures.shape
    assert mean.shape == log_variance.shape == (2, 5)
    assert discriminator_of(made)(pictures, onehot).shape == (2,)
    assert LatentGenerator(made).sample(labels, seed=0).shape == pictures.shape


def test_samples_repeat_with_their_seed_and_differ_without():
    generator = LatentGenerator(architecture())
    labels = torch.tensor([0, 1, 2])
    assert torch.equal(generator.sample(labels, seed=4), generator.sample(labels, seed=4))
    assert not torch.equal(generator.sample(labels, seed=4), generator.sample(labels, seed=5))
    assert not torch.equal(*generator.draw(labels[:2], seed=4).noise)


@pytest.mark.parametrize("make", [full, lambda: LatentGenerator(architecture())])
def test_a_sample_is_its_draw_rendered(make):
    generator, labels = make(), torch.tensor([2, 0, 1, 1])
    draw = generator.draw(labels, seed=9)
    assert len(draw) == 4
    pictures = generator.render(draw.noise, draw.places, draw.grain)
    assert torch.equal(generator.sample(labels, seed=9), pictures)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    again = generator.draw(labels, seed=9)
    for name in ("noise", "places", "grain"):
        assert torch.equal(getattr(draw, name), getattr(again, name))


def test_how_many_are_rendered_at_once_changes_nothing(monkeypatch):
    generator, labels = full(), torch.arange(11) % 3
    whole = generator.sample(labels, seed=1)
    monkeypatch.setattr("safegen.models.generator.BATCH_ROWS", 4)
    monkeypatch.setattr("safegen.models.residual_noise.BATCH_ROWS", 3)
    assert torch.allclose(generator.sample(labels, seed=1), whole, atol=1e-6)


def test_components_are_drawn_as_often_as_they_occur():
    generator = full()
    places = generator.draw(torch.arange(3).repeat(4000), seed=0).places.view(-1, 3, 3, 2)
    assert torch.equal(places.sum(dim=(2, 3)), torch.ones(4000, 3))
    found = places.mean(dim=0)[range(3), range(3)]  # of each label, in its own class
    assert torch.allclose(found, generator.prior.shares, atol=0.03)
    assert float(places.sum()) == pytest.approx(float(found.sum()) * 4000, rel=1e-6)


def test_the_mixture_of_all_classes_has_them_in_equal_parts():
    mixed = full().mixed_places()
    assert mixed.sum() == pytest.approx(1)
    assert mixed.view(3, 2).sum(dim=1) == pytest.approx(torch.full((3,), 1 / 3))


def test_contrast_reaches_both_ends_of_the_range():
    generator = LatentGenerator(architecture(contrast=0.2))
    generator.decoder.leave.convolution.bias.data.uniform_(-9, 9)
    pictures = generator.sample(torch.zeros(4, dtype=int), seed=0)
    assert pictures.min() == 0
    assert pictures.max() == 1


def test_a_decoder_without_labels_is_told_them_by_the_code_alone():
    generator = full()
    draw = generator.draw(torch.tensor([0]), seed=0)
    codes = generator.prior(draw.noise, draw.places)
    one, other = (generator.decoded(codes, one_hot(torch.tensor([k]), 3)) for k in (0, 1))
    assert torch.equal(one, other)


def test_one_component_holds_what_packages_of_version_2_held():
    """Of such a package there is nothing else that could be read."""
    held = set(LatentGenerator(architecture()).state_dict())
    assert {name for name in held if not name.startswith("decoder.")} == {
        "prior.means", "prior.factors",
    }  # fmt: skip
    assert LatentGenerator(architecture()).prior.means.shape == (3, 5)
    assert LatentGenerator(architecture()).prior.factors.shape == (3, 5, 5)


def test_the_prior_draws_from_each_class_where_it_lies():
    generator = LatentGenerator(architecture())
    generator.prior.means.copy_(torch.tensor([[0.0] * 5, [10.0] * 5, [-10.0] * 5]))
    codes = generator.prior(torch.randn(2, 5), one_hot(torch.tensor([1, 2]), 3))
    assert (codes[0] > 0).all()
    assert (codes[1] < 0).all()


def test_pictures_stay_in_range():
    generator = LatentGenerator(architecture())
    nothing = torch.zeros(8, 1, 28, 28)
    places = one_hot(torch.zeros(8, dtype=int), 3)
    sample = generator.render(torch.randn(8, 5) * 100, places, nothing)
    assert 0 <= sample.min() <= sample.max() <= 1


SIDES = [*range(28, 65, 4), *range(72, 129, 8)]


def test_no_side_makes_a_linear_layer_huge():
    assert max(features(1, height, width) for height in SIDES for width in SIDES) <= MOST_FEATURES
    assert {side >> halvings(side, side) for side in SIDES} <= set(range(5, 16))


@pytest.mark.parametrize(
    ("height", "width", "times"),
    [(28, 28, 2), (32, 32, 2), (36, 36, 2), (40, 40, 3), (48, 48, 3), (64, 64, 3), (64, 28, 2)],
)
def test_packages_of_before_keep_their_networks(height, width, times):
    """Networks are built again from height and width, so that the rule may not change for them."""
    assert halvings(height, width) == times


def test_weights_of_version_2_make_the_pictures_that_they_made():
    """The old generator, written out: one Gaussian a class, and the label beside the code."""
    torch.manual_seed(0)
    generator = LatentGenerator(architecture())
    held = {name: torch.randn_like(tensor) for name, tensor in generator.state_dict().items()}
    generator.load_state_dict(held)
    labels = torch.tensor([2, 0, 1, 2])
    noise = torch.randn(4, 5, generator=torch.Generator().manual_seed(7))
    factors, means = held["prior.factors"][labels], held["prior.means"][labels]
    codes = means + torch.einsum("nij,nj->ni", factors, noise)
    pictures = torch.sigmoid(generator.decoder(codes, one_hot(labels, 3)))
    assert torch.allclose(generator.sample(labels, seed=7), pictures, atol=1e-5)
