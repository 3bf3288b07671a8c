import pytest
import torch

from safegen.models.gan import Discriminator
from safegen.models.generator import PictureGenerator, one_hot
from safegen.models.layers import features, halvings
from safegen.models.vae import ConditionalVAE
from safegen.records.config import Architecture

SHAPES = [
    *((channels, side, side) for side in (28, 32, 48, 64, 96, 128) for channels in (1, 3)),
    (1, 36, 44), (1, 64, 48), (1, 60, 60), (1, 120, 120), (1, 28, 128),
]  # fmt: skip
MOST_FEATURES = 512  # numbers a channel before a linear layer


def architecture(channels=1, height=28, width=28, family="vae"):
    return Architecture(
        family=family, channels=channels, height=height, width=width, classes=3, latent=5, base=4
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_every_size_from_28_to_128_grey_and_rgb(shape):
    made = architecture(*shape)
    pictures, labels = torch.rand(2, *shape), torch.tensor([0, 2])
    onehot = one_hot(labels, 3)
    logits, mean, log_variance = ConditionalVAE(made)(pictures, onehot, torch.randn(2, 5))
    assert logits.shape == pictures.shape
    assert mean.shape == log_variance.shape == (2, 5)
    assert Discriminator(made)(pictures, onehot).shape == (2,)
    assert PictureGenerator(made).sample(labels, seed=0).shape == pictures.shape


def test_samples_repeat_with_their_seed_and_differ_without():
    generator = PictureGenerator(architecture())
    labels = torch.tensor([0, 1, 2])
    assert torch.equal(generator.sample(labels, seed=4), generator.sample(labels, seed=4))
    assert not torch.equal(generator.sample(labels, seed=4), generator.sample(labels, seed=5))
    assert not torch.equal(*generator.noise(2, seed=4))


def test_the_prior_draws_from_each_class_where_it_lies():
    generator = PictureGenerator(architecture())
    generator.prior.means.copy_(torch.tensor([[0.0] * 5, [10.0] * 5, [-10.0] * 5]))
    codes = generator.prior(generator.noise(2, seed=0), one_hot(torch.tensor([1, 2]), 3))
    assert (codes[0] > 0).all()
    assert (codes[1] < 0).all()


def test_pictures_stay_in_range():
    generator = PictureGenerator(architecture())
    sample = generator.render(torch.randn(8, 5) * 100, one_hot(torch.zeros(8, dtype=int), 3))
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
