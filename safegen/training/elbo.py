"""The VAE's objective, one loss a record, and the private latent prior that finishes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from safegen.models.generator import PictureGenerator, one_hot
from safegen.models.vae import ConditionalVAE
from safegen.privacy.noise import secure_generator
from safegen.privacy.processes import Processes
from safegen.training.latents import fit_prior

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from safegen.privacy.engine import PrivateEngine
    from safegen.privacy.plan import PrivacyPlan
    from safegen.records.certificate import Event
    from safegen.records.config import Architecture, Recipe
    from safegen.training.objective import Records

ENCODING_ROWS = 2048


class VaeObjective:
    """Trains encoder and decoder together; both see records, so both are private.

    The latent noise of each record must be secret: with a known stream, one record more would
    shift the noise of all that follow it, and a step would depend on it by more than its own
    clipped gradient. It comes from the operating system's stream, as sampling and privacy noise do.
    """

    rows_beside = 0

    def __init__(
        self, architecture: Architecture, recipe: Recipe, processes: Processes | None = None
    ) -> None:
        self._architecture = architecture
        self._recipe = recipe
        self._secret = secure_generator()
        device = (processes or Processes()).device
        self.private = ConditionalVAE(architecture).to(device)
        self.averaged = self.private

    def batch(self, pictures: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Pictures, labels (rows, classes) and secret latent noise (rows, latent), float32."""
        drawn = self._secret.standard_normal(
            (len(pictures), self._architecture.latent), dtype=np.float32
        )
        onehot = one_hot(labels, self._architecture.classes)
        return pictures, onehot, torch.from_numpy(drawn).to(pictures)

    def losses(self, network: nn.Module, *parts: Tensor) -> Tensor:
        """The negative evidence lower bound of each record, (n,), float32.

        Binary cross-entropy summed over the picture, plus beta times the divergence of
        N(mean, variance) from N(0, I) (Kingma & Welling 2014, appendix B; beta of Higgins et al.
        2017), over a constant that makes a clipping norm of 1 fit.
        """
        pictures, onehot, noise = parts
        logits, mean, log_variance = network(pictures, onehot, noise)
        misfit = functional.binary_cross_entropy_with_logits(logits, pictures, reduction="none")
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        bound: Tensor = misfit.flatten(1).sum(dim=1) + self._recipe.beta * divergence
        return bound / self._recipe.loss_scale

    def work_publicly(self, engine: PrivateEngine, *, rate_factor: float) -> None:
        """Nothing: a VAE has no part that trains without records."""

    def state(self) -> dict[str, Tensor]:
        """Nothing: all that it learns is in the private network."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing."""

    @torch.no_grad()
    def finish(
        self, average: nn.Module, records: Records, plan: PrivacyPlan, key: int
    ) -> tuple[PictureGenerator, tuple[Event, ...]]:
        """Keep the decoder, and give it a latent prior released from the records' codes."""
        assert isinstance(average, ConditionalVAE)
        generator = PictureGenerator(self._architecture).to(records.labels.device)
        generator.decoder.load_state_dict(average.decoder.state_dict())
        if plan.release_noise_multiplier is None:
            return generator, ()
        codes = torch.cat([self._encode(average, records, rows) for rows in _chunks(records)])
        means, factors, event = fit_prior(
            codes.double().cpu().numpy(),
            records.labels.cpu().numpy(),
            classes=self._architecture.classes,
            groups=records.groups,
            radius=self._recipe.latent_radius,
            noise_multiplier=plan.release_noise_multiplier,
            key=key,
        )
        generator.prior.means.copy_(torch.from_numpy(means))
        generator.prior.factors.copy_(torch.from_numpy(factors))
        return generator, (event,)

    def _encode(self, network: ConditionalVAE, records: Records, rows: NDArray[np.int64]) -> Tensor:
        pictures, labels = records.rows(rows)
        return network.encode(pictures, one_hot(labels, self._architecture.classes))[0]


def _chunks(records: Records) -> list[NDArray[np.int64]]:
    numbers = np.arange(len(records.labels))
    return np.split(numbers, range(ENCODING_ROWS, len(numbers), ENCODING_ROWS))
