"""What a generator's released prior makes usual of each class: nothing that looks at records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.screens.screen import ReleasedStatistics

if TYPE_CHECKING:
    from safegen.models.generator import LatentGenerator

DRAWS_A_CLASS = 64
PUBLIC_SEED = 0  # the same for everybody: what it draws from was released


def released_statistics(generator: LatentGenerator) -> ReleasedStatistics:
    """Mean and standard deviation of each class, of samples as files store them or nearly."""
    means, deviations = [], []
    for label in range(generator.classes):
        labels = torch.full((DRAWS_A_CLASS,), label)
        drawn = generator.propose(labels, PUBLIC_SEED)
        with torch.no_grad():
            samples = torch.cat(list(generator.rendered(drawn))).double().numpy()
        means.append(samples.mean(axis=0))
        deviations.append(samples.std(axis=0))
    return ReleasedStatistics(means=np.stack(means), deviations=np.stack(deviations))
