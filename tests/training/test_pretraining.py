"""First weights are learnt from pictures, and gradients measured on them, as they should be."""

import pytest
import torch

from safegen.models.vae import ConditionalVAE
from safegen.progress import silent
from safegen.schemas.config import Architecture
from safegen.training.pretraining import MEASURED_PICTURES, loss_scale, negative_bound, pretrain
from safegen.training.pretraining_sources import draw_prior

LATENT, CLASSES, BETA = 6, 3, 0.5
ARCHITECTURE = Architecture(
    family="vae", channels=1, height=28, width=28, classes=CLASSES, latent=LATENT, base=4
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ConditionalVAE(ARCHITECTURE)


@pytest.fixture(scope="module")
def pictures():
    return draw_prior("strokes", 600, (1, 28, 28), 1)


def learn(network, pictures, **changes):
    options = {"architecture": ARCHITECTURE, "beta": BETA, "epochs": 4, "seed": 3}
    options |= {"progress": silent, "stage": "a test"}
    pretrain(network, pictures, **(options | changes))


@torch.no_grad()
def bound(network, pictures):
    noise = torch.randn(len(pictures), LATENT, generator=torch.Generator().manual_seed(5))
    nobody = torch.zeros(len(pictures), CLASSES)
    return float(negative_bound(network, pictures.float() / 255, nobody, noise, BETA).mean())


def test_learning_lowers_the_bound_on_pictures_that_were_not_seen(network, pictures):
    unseen = draw_prior("strokes", 100, (1, 28, 28), 2)
    before = bound(network, unseen)
    seen = []
    learn(network, pictures, epochs=50, progress=lambda *call: seen.append(call))
    assert bound(network, unseen) < 0.85 * before
    assert seen[-1] == ("a test", 100, 100)  # 50 times over 2 batches


def test_the_same_seed_learns_the_same(network, pictures):
    first = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    learn(network, pictures, epochs=1)
    learnt = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(first)
    learn(network, pictures, epochs=1)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, learnt[name]), name


@pytest.mark.parametrize("count", [1, 2, 300])
@pytest.mark.parametrize("epochs", [1, 3])
def test_few_pictures_are_enough(network, pictures, count, epochs):
    learn(network, pictures[:count], epochs=epochs)
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@torch.no_grad()
def test_the_bound_is_cross_entropy_and_divergence(network):
    """Against the formulae of Kingma & Welling, by torch's own distributions."""
    shown = torch.rand(4, 1, 28, 28)
    nobody, noise = torch.zeros(4, CLASSES), torch.randn(4, LATENT)
    logits, mean, log_variance = network(shown, nobody, noise)
    of_codes = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    divergence = torch.distributions.kl_divergence(of_codes, torch.distributions.Normal(0, 1))
    p = logits.sigmoid()
    misfit = -(shown * p.log() + (1 - shown) * (1 - p).log()).flatten(1).sum(dim=1)
    found = negative_bound(network, shown, nobody, noise, BETA)
    assert found == pytest.approx(misfit + BETA * divergence.sum(dim=1), rel=1e-4)
    free = negative_bound(network, shown, nobody, noise, BETA, free_bits=1e6)
    assert free == pytest.approx(misfit + BETA * LATENT * 1e6, rel=1e-4)


def test_the_loss_scale_is_half_the_median_norm_of_a_gradient(network, pictures):
    found = loss_scale(network, pictures, architecture=ARCHITECTURE, beta=BETA)
    shown = pictures[:MEASURED_PICTURES].float() / 255
    noise = torch.randn(len(shown), LATENT, generator=torch.Generator().manual_seed(0))
    norms = []
    for picture, code_noise in zip(shown, noise, strict=True):
        network.zero_grad()
        nobody = torch.zeros(1, CLASSES)
        negative_bound(network, picture[None], nobody, code_noise[None], BETA).sum().backward()
        squares = [parameter.grad.square().sum() for parameter in network.parameters()]
        norms.append(torch.stack(squares).sum().sqrt())
    assert found == pytest.approx(float(torch.stack(norms).median()) / 2, rel=1e-4)
