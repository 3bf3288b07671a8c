import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from safegen.models.gan import Discriminator
from safegen.models.generator import PictureGenerator, one_hot
from safegen.models.vae import ConditionalVAE
from safegen.privacy.engine import PrivateEngine
from safegen.privacy.plan import PrivacyPlan
from safegen.records.config import Architecture

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 32, 32), (1, 36, 44), (3, 64, 64), (1, 64, 48)]


def architecture(channels=1, height=28, width=28, family="vae"):
    return Architecture(
        family=family, channels=channels, height=height, width=width, classes=3, latent=5, base=4
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_every_size_from_28_to_64_grey_and_rgb(shape):
    made = architecture(*shape)
    pictures, labels = torch.rand(2, *shape), torch.tensor([0, 2])
    onehot = one_hot(labels, 3)
    logits, mean, log_variance = ConditionalVAE(made)(pictures, onehot, torch.randn(2, 5))
    assert logits.shape == pictures.shape
    assert mean.shape == log_variance.shape == (2, 5)
    assert Discriminator(made)(pictures, onehot).shape == (2,)
    assert PictureGenerator(made).sample(labels, seed=0).shape == pictures.shape


class Reconstruction(nn.Module):
    """One number a row that depends on every parameter of a VAE, without its random draw."""

    def __init__(self, architecture):
        super().__init__()
        self.vae = ConditionalVAE(architecture)

    def forward(self, pictures, onehot):
        mean, log_variance = self.vae.encode(pictures, onehot)
        logits = self.vae.decoder(mean, onehot)
        return torch.tanh(logits).flatten(1).sum(1) + log_variance.square().sum(1)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
@pytest.mark.parametrize("kind", [Reconstruction, Discriminator])
def test_the_engine_clips_the_same_gradients_that_autograd_gives_row_by_row(shape, kind):
    """With a clipping norm that never bites, the step is the sum of each row's own gradient."""
    torch.manual_seed(0)
    network = kind(architecture(*shape))
    pictures = torch.rand(4, *shape)
    onehot = one_hot(torch.tensor([0, 1, 2, 0]), 3)

    def loss(parameters, picture, label):
        return functional_call(network, parameters, (picture[None], label[None])).sum()

    parameters = {name: p.detach().clone() for name, p in network.named_parameters()}
    expected = vmap(grad(loss), (None, 0, 0))(parameters, pictures, onehot)

    plan = PrivacyPlan(
        epsilon=8.0, delta=1e-4, records=100, expected_batch_size=1, steps=1,
        clipping_norm=1e9, noise_multiplier=1e-16,
    )  # fmt: skip
    engine = PrivateEngine(network, plan, torch.optim.SGD(network.parameters(), lr=1.0))
    engine.step(engine.network(pictures, onehot))
    for name, parameter in network.named_parameters():
        moved = parameters[name] - parameter.detach()
        assert torch.allclose(moved, expected[name].sum(dim=0), atol=1e-4), name


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
