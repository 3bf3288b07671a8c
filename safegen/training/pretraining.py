"""An autoencoder's first weights, learnt from public samples: no record is looked at.

The same samples tell how long gradients are, so that a clipping norm of 1 fits, without asking
any record (`loss_scale`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from safegen.models.vae import ConditionalVAE
    from safegen.progress import Progress
    from safegen.schemas.config import Architecture

    Forward = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]

BATCH_PICTURES = 256
LEARNING_RATE = 2e-3
WARM_UP_SHARE = 0.1  # of the steps
MEASURED_PICTURES = 512  # samples, whose gradients are measured
MEASURED_PER_BATCH = 64  # of them
CLIPPING_SHARE = 0.5  # of the median norm, at which gradients are clipped


def negative_bound(
    network: Forward | nn.Module,
    samples: Tensor,
    onehot: Tensor,
    noise: Tensor,
    beta: float,
    free_bits: float = 0.0,
) -> Tensor:
    """The negative evidence lower bound of each sample, (n,), float32.

    Binary cross-entropy summed over the sample, plus beta times the divergence of
    N(mean, variance) from N(0, I) (Kingma & Welling 2014, appendix B; beta of Higgins et al.
    2017). Of each latent, `free_bits` nats of divergence cost nothing (Kingma et al. 2016).
    """
    logits, mean, log_variance = network(samples, onehot, noise)
    misfit = functional.binary_cross_entropy_with_logits(logits, samples, reduction="none")
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    divergence = divergence.clamp_min(free_bits).sum(dim=1)
    bound: Tensor = misfit.flatten(1).sum(dim=1) + beta * divergence
    return bound


def pretrain(
    network: ConditionalVAE,
    samples: Tensor,
    *,
    architecture: Architecture,
    beta: float,
    epochs: int,
    seed: int,
    progress: Progress,
    stage: str,
) -> None:
    """Train on public pictures, with labels unknown.

    Args:
        network: trained in place, on its device.
        samples: (n, *dimensions), as their kind of data stores them.
        architecture: the network's.
        beta: weight of the divergence.
        epochs: passes over the samples.
        seed: of the order and of the latent noise.
        progress: told after each step.
        stage: what it is told.
    """
    device = next(network.parameters()).device
    batch = min(BATCH_PICTURES, len(samples))
    batches = len(samples) // batch
    steps = epochs * batches
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=WARM_UP_SHARE
    )
    source = torch.Generator().manual_seed(seed)
    for step in range(steps):
        if step % batches == 0:
            order = torch.randperm(len(samples), generator=source)
        rows = order[(step % batches) * batch :][:batch]
        shown = network.modality.to_float(samples[rows].to(device)).float()
        noise = torch.randn(batch, architecture.latent, generator=source).to(device)
        nobody = torch.zeros(batch, architecture.classes, device=device)
        optimizer.zero_grad(set_to_none=True)
        negative_bound(network, shown, nobody, noise, beta).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rates.step()
        progress(stage, step + 1, steps)


def loss_scale(
    network: ConditionalVAE, samples: Tensor, *, architecture: Architecture, beta: float
) -> float:
    """What losses must be divided by, so that half the usual gradient has norm 1.

    Measured on public samples (n, *dimensions), as their kind of data stores them.
    """
    device = next(network.parameters()).device
    shown = network.modality.to_float(samples[:MEASURED_PICTURES].to(device)).float()
    noise = torch.randn(
        len(shown), architecture.latent, generator=torch.Generator().manual_seed(0)
    ).to(device)
    weights = {name: weight.detach() for name, weight in network.named_parameters()}

    def loss(held: dict[str, Tensor], sample: Tensor, code_noise: Tensor) -> Tensor:
        nobody = torch.zeros(1, architecture.classes, device=device)
        forward: Forward = lambda *parts: functional_call(network, held, parts)  # noqa: E731
        return negative_bound(forward, sample[None], nobody, code_noise[None], beta)[0]

    norms = []
    for start in range(0, len(shown), MEASURED_PER_BATCH):
        part = slice(start, start + MEASURED_PER_BATCH)
        gradients = vmap(grad(loss), (None, 0, 0))(weights, shown[part], noise[part])
        squares = [each.flatten(1).square().sum(1) for each in gradients.values()]
        norms.append(torch.stack(squares).sum(dim=0).sqrt())
    return float(torch.cat(norms).median()) * CLIPPING_SHARE
