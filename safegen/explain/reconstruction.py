"""A VAE's other path: from a sample through its encoder to its reconstruction.

A package holds no encoder, and records under seal are never encoded for anybody. Whoever has a
network of their own, and samples that are nobody's, explains reconstructions as outputs are
explained: the mean of the code stands where noise does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from safegen.models.generator import LatentDraw, one_hot

if TYPE_CHECKING:
    from torch import Tensor

    from safegen.models.vae import ConditionalVAE


class Reconstruction:
    """A VAE as a generator whose latents are the codes of given samples.

    Attributes:
        modality: the kind of data that it sees.
    """

    def __init__(self, vae: ConditionalVAE, *, classes: int, latent: int) -> None:
        self._vae = vae
        self.classes, self.latent = classes, latent
        self.modality = vae.modality

    @torch.no_grad()
    def encoded(self, samples: Tensor, labels: Tensor) -> LatentDraw:
        """What reconstructions of samples (n, *dimensions) with labels (n,) are made of."""
        onehot = one_hot(labels, self.classes)
        mean, _ = self._vae.encode(samples, onehot)
        return LatentDraw(noise=mean, places=onehot, grain=torch.zeros_like(samples))

    def draw(self, labels: Tensor, seed: int) -> LatentDraw:
        """Codes from the standard normal prior, of labels (n,), int64."""
        source = torch.Generator().manual_seed(seed)
        noise = torch.randn(len(labels), self.latent, generator=source)
        grain = torch.zeros(len(labels), *self.modality.dimensions)
        return LatentDraw(noise=noise, places=one_hot(labels, self.classes), grain=grain)

    def render(self, noise: Tensor, places: Tensor, grain: Tensor) -> Tensor:
        """Reconstructions (n, *dimensions) in [0, 1] of codes."""
        return torch.sigmoid(self._vae.decoder(noise, places)) + grain

    def mixed_places(self) -> Tensor:
        """All classes in equal parts."""
        return torch.full((self.classes,), 1 / self.classes)

    def sample(self, labels: Tensor, seed: int) -> Tensor:
        """One sample a label."""
        drawn = self.draw(labels, seed)
        return self.render(drawn.noise, drawn.places, drawn.grain)
