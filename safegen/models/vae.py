"""A conditional variational autoencoder (Kingma & Welling 2014; Sohn, Lee, Yan 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from safegen.modality.registry import modality_of
from safegen.models.registry import networks_of

if TYPE_CHECKING:
    from safegen.schemas.config import Architecture

LOG_VARIANCE_RANGE = (-8.0, 4.0)  # keeps exp() tame before the encoder has learnt anything


class ConditionalVAE(nn.Module):
    """Encoder and decoder; its forward pass is what the objective needs of both.

    Attributes:
        modality: the kind of data that it sees.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        networks = networks_of(architecture.shape.kind)
        self.modality = modality_of(architecture.shape)
        self.encoder = networks.encoder(architecture, 2 * architecture.latent)
        self.decoder = networks.decoder(architecture)

    def encode(self, samples: Tensor, onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x, y), each (n, latent), float32."""
        mean, log_variance = self.encoder(samples, onehot).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def forward(
        self, samples: Tensor, onehot: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw a code, decode.

        Args:
            samples: (n, *dimensions), float32 in [0, 1].
            onehot: (n, classes), float32.
            noise: (n, latent), float32, standard normal; in training, from a secret source.

        Returns:
            Logits of the reconstruction, and the code's mean and log variance.
        """
        mean, log_variance = self.encode(samples, onehot)
        code = mean + noise * torch.exp(0.5 * log_variance)
        return self.decoder(code, onehot), mean, log_variance
