"""The allowance for sums in 32 bits, beside what they really do on the networks that train."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from safegen.data.sources import load
from safegen.models.gan import Discriminator
from safegen.models.vae import ConditionalVAE
from safegen.privacy.bookkeeping import BookKeeping
from safegen.privacy.execution import Execution
from safegen.privacy.lattice import ALLOWANCE
from safegen.training.recipe import preset

REMOVED = 12  # records that are taken out, one at a time
NORM = 0.05  # so small that every record is clipped, which makes the sum as long as it can be


def discriminator(architecture):
    network = Discriminator(architecture)
    return network, lambda net, pictures, onehot, _: functional.softplus(-net(pictures, onehot))


def vae(architecture):
    def losses(net, pictures, onehot, noise):
        logits, mean, log_variance = net(pictures, onehot, noise)
        misfit = functional.binary_cross_entropy_with_logits(logits, pictures, reduction="none")
        return misfit.flatten(1).sum(1) + (mean.square() + log_variance.square()).sum(1)

    return ConditionalVAE(architecture), losses


def flat(sums, network):
    return torch.cat([sums[p].flatten().double() for p in network.parameters() if p in sums])


def excess(make, family, batch, precision="float32"):
    """How much further than its own clipped gradient a record moves the sum, in clipping norms."""
    torch.manual_seed(0)
    data = load("digits", size=28)
    chosen = preset(family, data.card, 8.0, prior="none")
    network, losses = make(chosen.architecture)
    rows = np.random.default_rng(0).integers(len(data), size=batch)
    pictures = torch.from_numpy(data.images[rows]).float() / 255
    onehot = functional.one_hot(torch.from_numpy(data.labels[rows]), 10).float()
    noise = torch.randn(batch, chosen.architecture.latent)
    private = BookKeeping(network, Execution(precision=precision))

    def summed(*chosen_rows):
        parts = [part[list(chosen_rows)] for part in (pictures, onehot, noise)]
        with Execution(precision=precision).products(torch.device("cpu")):
            each = losses(private, *parts).float()
        return flat(private.clipped_sum(each, NORM, rows=len(each), records=1), network)

    whole = summed(*range(batch))
    found = []
    for out in range(0, batch, batch // REMOVED):
        moved = (whole - summed(*(row for row in range(batch) if row != out))).norm()
        found.append(float(moved) / NORM - 1)
    return max(found)


@pytest.mark.parametrize(("make", "family"), [(discriminator, "gan"), (vae, "vae")])
def test_a_record_moves_the_sum_by_its_clipped_gradient_and_hardly_more(make, family):
    assert excess(make, family, 512) < ALLOWANCE / 4


@pytest.mark.benchmark
def test_how_much_of_the_allowance_is_used():
    print("\n| network | batch | precision | excess over a clipping norm | of the allowance |")
    print("| --- | --- | --- | --- | --- |")
    for make, family in ((discriminator, "gan"), (vae, "vae")):
        for batch in (512, 2048, 4096):
            for precision in ("float32", "bf16"):
                used = excess(make, family, batch, precision)
                share = used / ALLOWANCE
                print(f"| {family} | {batch} | {precision} | {used:.2e} | {share:.1%} |")
