"""A conditional GAN's discriminator; its generator is the same decoder that a VAE trains.

The label enters by projection (Miyato & Koyama 2018).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from safegen.models.layers import features, halving_convolutions, halvings

if TYPE_CHECKING:
    from safegen.schemas.card import PictureShape

EMBEDDING_WIDTH = 32
NEGATIVE_SLOPE = 0.2


class Discriminator(nn.Module):
    """Pictures and labels to scores: high for pictures that look real for their label."""

    def __init__(self, shape: PictureShape, *, base: int, classes: int) -> None:
        super().__init__()
        height, width = shape.height, shape.width
        times = halvings(height, width)
        widths = [shape.channels] + [base << i for i in range(times)]
        self.convolutions = halving_convolutions(widths)
        self.embed = nn.Linear(features(widths[-1], height, width), EMBEDDING_WIDTH)
        self.score = nn.Linear(EMBEDDING_WIDTH, 1)
        self.project = nn.Linear(classes, EMBEDDING_WIDTH, bias=False)

    def forward(self, pictures: Tensor, onehot: Tensor) -> Tensor:
        """Score (n, channels, height, width) in [0, 1] with labels (n, classes): (n,), float32."""
        hidden = pictures * 2 - 1
        for convolution in self.convolutions:
            hidden = functional.leaky_relu(convolution(hidden), NEGATIVE_SLOPE)
        hidden = functional.leaky_relu(self.embed(hidden.flatten(1)), NEGATIVE_SLOPE)
        agreement = (self.project(onehot) * hidden).sum(dim=1)
        scores: Tensor = self.score(hidden).squeeze(1) + agreement
        return scores
