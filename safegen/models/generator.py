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

    def codes(self, labels: Tensor, seed: int) -> Tensor:
        """Draw latent codes (n, latent), float32, for labels (n,), int64; the same every time."""
        ...

    def render(self, codes: Tensor, onehot: Tensor) -> Tensor:
        """Turn codes and (n, classes) labels into samples in [0, 1]; differentiable."""
        ...

    def sample(self, labels: Tensor, seed: int) -> Tensor:
        """Draw one sample a label."""
        ...


class LatentPrior(nn.Module):
    """One Gaussian of latent codes a class: z ~ N(mean_y, factor_y factor_y^T)."""

    def __init__(self, classes: int, latent: int) -> None:
        super().__init__()
        self.means: Tensor
        self.factors: Tensor
        self.register_buffer("means", torch.zeros(classes, latent))
        self.register_buffer("factors", torch.eye(latent).repeat(classes, 1, 1))

    def forward(self, labels: Tensor, noise: Tensor) -> Tensor:
        """Codes (n, latent) for labels (n,) from standard normal noise (n, latent)."""
        return self.means[labels] + torch.einsum("nij,nj->ni", self.factors[labels], noise)


class PictureGenerator(nn.Module):
    """A decoder with its latent prior."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.classes = architecture.classes
        self.latent = architecture.latent
        self.decoder = Decoder(**decoder_shape(architecture))
        self.prior = LatentPrior(architecture.classes, architecture.latent)

    def codes(self, labels: Tensor, seed: int) -> Tensor:
        """Draw latent codes, (n, latent) float32; the same for the same labels and seed."""
        source = torch.Generator(device="cpu").manual_seed(seed)
        noise = torch.randn(len(labels), self.latent, generator=source)
        codes: Tensor = self.prior(labels, noise.to(self.prior.means.device))
        return codes

    def render(self, codes: Tensor, onehot: Tensor) -> Tensor:
        """Pictures (n, channels, height, width), float32 in [0, 1]."""
        return torch.sigmoid(self.decoder(codes, onehot))

    @torch.no_grad()
    def sample(self, labels: Tensor, seed: int) -> Tensor:
        """One picture a label, (n, channels, height, width), float32 in [0, 1]."""
        labels = labels.to(self.prior.means.device)
        return self.render(self.codes(labels, seed), one_hot(labels, self.classes))


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels (n,), int64, as (n, classes), float32."""
    return functional.one_hot(labels, classes).float()


def decoder_shape(architecture: Architecture) -> dict[str, int]:
    """The decoder's arguments, out of an architecture."""
    return {
        name: getattr(architecture, name)
        for name in ("channels", "height", "width", "classes", "latent", "base")
    }
