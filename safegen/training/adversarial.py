"""The GAN's objective: only the discriminator ever sees records.

Records and generated pictures go through the discriminator in one pass, each row is clipped by
itself, and the number of generated rows is a public constant. The generator learns from the
discriminator alone, which is post-processing (Xie et al. 2018; the balance of steps follows
Bie et al. 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from safegen.models.gan import Discriminator
from safegen.models.generator import PictureGenerator, one_hot

if TYPE_CHECKING:
    from safegen.privacy.engine import PrivateEngine
    from safegen.privacy.plan import PrivacyPlan
    from safegen.records.certificate import Event
    from safegen.records.config import Architecture, Recipe
    from safegen.training.loop import Records


class GanObjective:
    """Trains a discriminator privately and a generator against it publicly."""

    def __init__(self, architecture: Architecture, recipe: Recipe, device: torch.device) -> None:
        self._architecture = architecture
        self._recipe = recipe
        self._device = device
        self._generator = PictureGenerator(architecture).to(device)
        self._rate = recipe.generator_rate or recipe.learning_rate
        self._optimizer = torch.optim.Adam(
            self._generator.decoder.parameters(), lr=self._rate, betas=recipe.betas
        )
        self._private_steps = 0
        self.private = Discriminator(architecture).to(device)
        self.averaged = self._generator
        self.rows_beside = recipe.generator_rows

    def losses(self, network: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
        """The non-saturating logistic loss of each row (Goodfellow et al. 2014, section 3).

        Returns:
            (records + generated,), float32: softplus(-score) for records, softplus(score) for
            generated pictures.
        """
        with torch.no_grad():
            made, made_labels = self._generate(self.rows_beside)
        onehot = one_hot(torch.cat([labels, made_labels]), self._architecture.classes)
        scores = network(torch.cat([pictures, made]), onehot)
        sign = torch.ones_like(scores)
        sign[: len(labels)] = -1
        return functional.softplus(sign * scores) / self._recipe.loss_scale

    def work_publicly(self, engine: PrivateEngine, *, rate_factor: float) -> None:
        """Every few private steps, let the generator take one against the discriminator."""
        self._private_steps += 1
        if self._private_steps % self._recipe.discriminator_steps:
            return
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * rate_factor
        with engine.used_publicly() as discriminator:
            made, labels = self._generate(2 * self.rows_beside)
            scores = discriminator(made, one_hot(labels, self._architecture.classes))
            self._optimizer.zero_grad(set_to_none=True)
            functional.softplus(-scores).mean().backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()

    def finish(
        self,
        average: nn.Module,
        records: Records,  # noqa: ARG002 - the protocol's shape
        plan: PrivacyPlan,  # noqa: ARG002 - likewise
    ) -> tuple[PictureGenerator, tuple[Event, ...]]:
        """Keep the averaged generator; its prior stays N(0, I), so nothing is released."""
        assert isinstance(average, PictureGenerator)
        return average, ()

    def _generate(self, rows: int) -> tuple[Tensor, Tensor]:
        """Pictures of uniformly drawn labels: how often a class occurs among records is secret."""
        labels = torch.randint(self._architecture.classes, (rows,), device=self._device)
        noise = torch.randn(rows, self._architecture.latent, device=self._device)
        return self._generator.render(noise, one_hot(labels, self._architecture.classes)), labels
