"""The VAE's objective, one loss a record, and the private latent prior that finishes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from safegen.models.generator import one_hot
from safegen.models.vae import ConditionalVAE
from safegen.privacy.execution.processes import Processes
from safegen.privacy.mechanism.noise import secure_generator
from safegen.training.objectives.objective import AlikeRows
from safegen.training.pretraining import negative_bound
from safegen.training.releases.fitting import fit_generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from safegen.models.generator import LatentGenerator
    from safegen.privacy.mechanism.engine import PrivateEngine
    from safegen.privacy.mechanism.releases import Releases
    from safegen.privacy.mechanism.sealed import PrivateRecords
    from safegen.schemas.config import Architecture, Recipe
    from safegen.training.objectives.objective import SecretDraws, Start


class VaeObjective:
    """Trains encoder and decoder together; both see records, so both are private.

    The latent noise of each record must be secret: with a known stream, one record more would
    shift the noise of all that follow it, and a step would depend on it by more than its own
    clipped gradient. It comes from the operating system's stream, as sampling and privacy noise do.
    """

    rows_beside = 0
    rows_per_record = 1

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        processes: Processes | None = None,
        start: Start | None = None,
    ) -> None:
        self._architecture = architecture
        self._recipe = recipe
        self._secret: SecretDraws = secure_generator()
        device = (processes or Processes()).device
        self.private = ConditionalVAE(architecture).to(device)
        self.averaged = self.private
        self._reference = None if start is None else start.reference
        if start is not None:
            self.private.load_state_dict(start.weights)

    def batch(self, samples: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Pictures, labels (rows, classes) and secret latent noise (rows, latent), float32."""
        drawn = self._secret.standard_normal(
            (len(samples), self._architecture.latent), dtype=np.float32
        )
        onehot = one_hot(labels, self._architecture.classes)
        return samples, onehot, torch.from_numpy(drawn).to(samples)

    def losses(self, network: nn.Module, *parts: Tensor) -> Tensor:
        """Each record's `negative_bound`, (n,), float32, over a constant.

        The constant makes a clipping norm of 1 fit.
        """
        recipe = self._recipe
        samples, onehot, noise = parts
        bound = negative_bound(
            network, samples, onehot, noise, recipe.beta, free_bits=recipe.free_bits
        )
        return bound / recipe.loss_scale

    def work_publicly(self, engine: PrivateEngine, *, rate_factor: float) -> None:
        """Nothing: a VAE has no part that trains without records."""

    def state(self) -> dict[str, Tensor]:
        """The public pictures; all that it learns is in the private network."""
        return {} if self._reference is None else {"reference": self._reference}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self._reference = state.get("reference")

    def fix_secret_draws(self, seed: int) -> None:
        """Draw latent noise from a seed, in rehearsals."""
        self._secret = AlikeRows(seed)

    def fix_public_draws(self, seed: int) -> None:
        """Nothing: all its draws are secret."""

    def prepare(self, records: PrivateRecords, releases: Releases) -> None:
        """Nothing: all its releases come after the steps."""

    def finish(
        self, average: nn.Module, records: PrivateRecords, releases: Releases
    ) -> LatentGenerator:
        """Keep the decoder, with the latent prior and the grain that the plan releases."""
        assert isinstance(average, ConditionalVAE)
        return fit_generator(
            average, self._architecture, records, releases, reference=self._reference
        )
