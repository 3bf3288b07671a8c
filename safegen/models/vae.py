"""A conditional variational autoencoder (Kingma & Welling 2014; Sohn, Lee, Yan 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from safegen.models.generator import decoder_shape
from safegen.models.layers import Decoder, Encoder

if TYPE_CHECKING:
    from safegen.schemas.config import Architecture

LOG_VARIANCE_RANGE = (-8.0, 4.0)  # keeps exp() tame before the encoder has learnt anything


class ConditionalVAE(nn.Module):
    """Encoder and decoder; its forward pass is what the objective needs of both."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        shape = decoder_shape(architecture)
        latent = shape.pop("latent")
        self.encoder = Encoder(**shape, outputs=2 * latent)
        self.decoder = Decoder(**shape, latent=latent)

    def encode(self, pictures: Tensor, onehot: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x, y), each (n, latent), float32."""
        mean, log_variance = self.encoder(pictures, onehot).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def forward(
        self, pictures: Tensor, onehot: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode, draw a code, decode.

        Args:
            pictures: (n, channels, height, width), float32 in [0, 1].
            onehot: (n, classes), float32.
            noise: (n, latent), float32, standard normal; in training, from a secret source.

        Returns:
            Logits of the reconstruction, and the code's mean and log variance.
        """
        mean, log_variance = self.encode(pictures, onehot)
        code = mean + noise * torch.exp(0.5 * log_variance)
        return self.decoder(code, onehot), mean, log_variance
