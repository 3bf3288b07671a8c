"""A finished generator: what is packaged, sampled from and explained, whatever trained it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from safegen.models.layers import Decoder

if TYPE_CHECKING:
    from safegen.records.config import Architecture


class Generator(Protocol):
    """What sampling and explaining ask of a generator."""

    classes: int
    latent: int

    def noise(self, count: int, seed: int) -> Tensor:
        """Draw latent noise (n, latent), float32, standard normal; the same for the same seed."""
        ...

    def render(self, noise: Tensor, onehot: Tensor) -> Tensor:
        """Turn noise and (n, classes) labels into samples in [0, 1]; differentiable in both."""
        ...

    def sample(self, labels: Tensor, seed: int) -> Tensor:
        """Draw one sample a label (n,), int64."""
        ...


class LatentPrior(nn.Module):
    """One Gaussian of latent codes a class: z = mean_y + factor_y noise."""

    def __init__(self, classes: int, latent: int) -> None:
        super().__init__()
        self.means: Tensor
        self.factors: Tensor
        self.register_buffer("means", torch.zeros(classes, latent))
        self.register_buffer("factors", torch.eye(latent).repeat(classes, 1, 1))

    def forward(self, noise: Tensor, onehot: Tensor) -> Tensor:
        """Codes (n, latent) from standard normal noise (n, latent) and labels (n, classes).

        Labels may be mixed: weights that sum to 1 mix the classes' means and factors.
        """
        factors = torch.einsum("nk,kij->nij", onehot, self.factors)
        return onehot @ self.means + torch.einsum("nij,nj->ni", factors, noise)


class PictureGenerator(nn.Module):
    """A latent prior and a decoder."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.classes = architecture.classes
        self.latent = architecture.latent
        self.decoder = Decoder(**decoder_shape(architecture))
        self.prior = LatentPrior(architecture.classes, architecture.latent)

    def noise(self, count: int, seed: int) -> Tensor:
        """Latent noise (n, latent), float32, standard normal; the same for the same seed."""
        source = torch.Generator(device="cpu").manual_seed(seed)
        drawn = torch.randn(count, self.latent, generator=source)
        return drawn.to(self.prior.means.device)

    def render(self, noise: Tensor, onehot: Tensor) -> Tensor:
        """Pictures (n, channels, height, width), float32 in [0, 1], of noise and labels.

        The label has two ways into a picture: it chooses where the code lies, and it enters the
        decoder beside the code.
        """
        return torch.sigmoid(self.decoder(self.prior(noise, onehot), onehot))

    @torch.no_grad()
    def sample(self, labels: Tensor, seed: int) -> Tensor:
        """One picture a label, (n, channels, height, width), float32 in [0, 1]."""
        labels = labels.to(self.prior.means.device)
        return self.render(self.noise(len(labels), seed), one_hot(labels, self.classes))


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels (n,), int64, as (n, classes), float32."""
    return functional.one_hot(labels, classes).float()


def decoder_shape(architecture: Architecture) -> dict[str, int]:
    """The decoder's arguments, out of an architecture."""
    return {
        name: getattr(architecture, name)
        for name in ("channels", "height", "width", "classes", "latent", "base")
    }
