"""A trained autoencoder becomes a generator whose codes lie where the records' do."""

import numpy as np
import pytest
import torch

from safegen.models.vae import ConditionalVAE
from safegen.privacy.accounting.plan import DpRelease, PrivacyPlan
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateRecords
from safegen.schemas.config import Architecture
from safegen.training.releases.fitting import (
    COMPONENT_SCALE,
    FEW_COMPONENTS,
    LONG_LATENT,
    fit_generator,
)

COUNT, KEY = 600, 7


def architecture(components, latent=LONG_LATENT):
    return Architecture(
        family="vae", channels=1, height=28, width=28, classes=2, latent=latent, base=4,
        components=components, conditional=False, weighted=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records():
    generator = torch.Generator().manual_seed(0)
    pictures = (torch.rand(COUNT, 1, 28, 28, generator=generator) * 255).byte()
    return pictures, torch.arange(COUNT) % 2


def network(latent):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ConditionalVAE(architecture(1, latent)).eval()


def fitted(records, components=1, latent=LONG_LATENT):
    plan = PrivacyPlan(
        epsilon=8.0, delta=1e-4, units=COUNT, expected_batch_size=100, steps=5, clipping_norm=1.0,
        noise_multiplier=1.0, releases=(DpRelease(purpose="latents", noise_multiplier=0.1),),
    )  # fmt: skip
    return fit_generator(
        network(latent),
        architecture(components, latent),
        PrivateRecords(*records),
        Releases(plan, KEY),
        reference=records[0][:300],
    )


def test_codes_lie_where_the_records_do(records):
    made = fitted(records)
    with torch.no_grad():
        codes, _ = network(LONG_LATENT).encode(records[0].float() / 255, torch.zeros(COUNT, 2))
    for label in range(2):
        mean = codes[records[1] == label].mean(0)
        assert made.prior.means[label].numpy() == pytest.approx(mean.numpy(), abs=0.02)
    assert made.prior.weights.tolist() == pytest.approx([0.5, 0.5], abs=0.05)


def test_few_components_are_drawn_wider_than_the_records(records):
    few, many = (fitted(records, components) for components in (FEW_COMPONENTS, FEW_COMPONENTS + 1))
    assert np.allclose(few.prior.factors[0], COMPONENT_SCALE * many.prior.factors[0], atol=1e-6)
    assert torch.equal(few.prior.means[0], many.prior.means[0])


def test_short_codes_are_drawn_as_they_are(records):
    few, many = (fitted(records, components, latent=8) for components in (1, FEW_COMPONENTS + 1))
    assert torch.allclose(few.prior.factors[0], many.prior.factors[0], atol=1e-6)
