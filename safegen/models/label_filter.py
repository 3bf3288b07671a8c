"""The label filter: a linear classifier of edges; a generator keeps what looks like its label."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safegen.models.edges import count_features, edge_features


class LabelFilter(nn.Module):
    """Pictures to logits of the classes.

    Attributes:
        weights: (classes, features), float32, of `edges.edge_features`.
        biases: (classes,), float32.
    """

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.weights: Tensor
        self.biases: Tensor
        self.register_buffer("weights", torch.zeros(classes, count_features(channels)))
        self.register_buffer("biases", torch.zeros(classes))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, classes) of pictures (n, channels, height, width), float32 in [0, 1]."""
        return edge_features(pictures) @ self.weights.T + self.biases
