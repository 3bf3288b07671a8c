"""The GAN's objective: only the discriminator ever sees records.

Records and generated pictures go through the discriminator in one pass, each record is clipped by
itself, and the number of generated rows is a public constant. The generator learns from the
discriminator alone, which is post-processing (Xie et al. 2018).

With R1, each record is in a step twice: as it is, and a step along a random direction off. Both
rows are clipped as one. The directions are secret for the reason that a VAE's latent noise is.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from safegen.models.generator import LatentGenerator, one_hot
from safegen.models.registry import discriminator_of
from safegen.models.vae import ConditionalVAE
from safegen.privacy.execution.processes import Processes
from safegen.privacy.mechanism.noise import secure_generator
from safegen.training.objectives.balance import Balance
from safegen.training.objectives.gan_losses import (
    discriminator_losses,
    generator_loss,
    slope_penalties,
    stepped_off,
)
from safegen.training.objectives.objective import AlikeRows
from safegen.training.optimizers import optimizer_tensors, restore_optimizer
from safegen.training.releases.fitting import fit_generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from safegen.privacy.mechanism.engine import PrivateEngine
    from safegen.privacy.mechanism.releases import Releases
    from safegen.privacy.mechanism.sealed import PrivateRecords
    from safegen.schemas.config import Architecture, Recipe
    from safegen.training.objectives.objective import SecretDraws, Start


class GanObjective:
    """Trains a discriminator privately and a generator against it publicly."""

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        processes: Processes | None = None,
        start: Start | None = None,
    ) -> None:
        """Make both networks.

        Args:
            architecture: of the networks.
            recipe: what does not affect epsilon.
            processes: this process among those that train together: all make the same pictures
                and take the same generator steps, and each shows the discriminator its share.
            start: an autoencoder, which becomes the first generator; None for random weights.
        """
        self._architecture = architecture
        self._recipe = recipe
        self._processes = processes or Processes()
        self._device = self._processes.device
        self._generator = LatentGenerator(architecture).to(self._device)
        self._rate = recipe.generator_rate or recipe.learning_rate
        self._optimizer = torch.optim.Adam(
            self._generator.decoder.parameters(), lr=self._rate, betas=recipe.betas
        )
        self._public = torch.Generator(device="cpu").manual_seed(
            self._processes.broadcast(secrets.randbits(63))
        )
        self._secret: SecretDraws = secure_generator()
        self.balance = Balance(recipe.discriminator_steps, recipe.least_accuracy)
        self._start = start
        self.private = discriminator_of(architecture).to(self._device)
        self.averaged = self._generator
        self.rows_beside = recipe.generator_rows
        self.rows_per_record = 2 if recipe.r1 else 1  # a record, and a step off it

    def batch(self, samples: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Records and generated pictures in one batch.

        Returns:
            Samples (rows, *dimensions), labels (rows, classes), both float32, and
            signs (rows,): -1 for records, 1 for generated samples, 0 for records a step off.
        """
        with torch.no_grad():
            made, made_labels = self._generate(self.rows_beside)
        mine = slice(self._processes.rank, None, self._processes.world)
        onehot = one_hot(torch.cat([labels, made_labels[mine]]), self._architecture.classes)
        signs = torch.ones(len(onehot), device=self._device)
        signs[: len(labels)] = -1
        if self.rows_per_record == 2:
            signs[1 : len(labels) : 2] = 0
            samples = stepped_off(samples, self._directions(len(labels) // 2))
        return torch.cat([samples, made[mine]]), onehot, signs

    def losses(self, network: nn.Module, *parts: Tensor) -> Tensor:
        """Each row's loss, (rows,), float32: the game's, and the penalty of R1 at records."""
        samples, onehot, signs = parts
        scores = network(samples, onehot)
        losses = discriminator_losses(self._recipe.adversarial, scores, signs)
        if self._recipe.r1:
            losses = losses + self._recipe.r1 * slope_penalties(scores, signs)
        return losses / self._recipe.loss_scale

    def work_publicly(self, engine: PrivateEngine, *, rate_factor: float) -> None:
        """When it is the generator's turn, let it take a step against the discriminator."""
        if not self.balance.generator_is_due():
            return
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * rate_factor
        with engine.used_publicly() as discriminator:
            made, labels = self._generate(self.rows_beside)
            scores = discriminator(made, one_hot(labels, self._architecture.classes))
            told = float((scores < 0).float().mean())
            if not self.balance.can_teach(self._processes.broadcast(told)):
                return
            self._optimizer.zero_grad(set_to_none=True)
            generator_loss(self._recipe.adversarial, scores).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        self._processes.broadcast_tensors(list(self._generator.parameters()))

    def state(self) -> dict[str, Tensor]:
        """The generator, its optimizer, and whose turn it is."""
        return {
            **{f"balance.{k}": t for k, t in self.balance.state().items()},
            **{f"generator.{k}": t for k, t in self._generator.state_dict().items()},
            **{f"moments.{k}": t for k, t in optimizer_tensors(self._optimizer).items()},
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.balance.restore(_below("balance.", state))
        self._generator.load_state_dict(_below("generator.", state))
        restore_optimizer(self._optimizer, _below("moments.", state))

    def fix_secret_draws(self, seed: int) -> None:
        """Draw directions from a seed, in rehearsals."""
        self._secret = AlikeRows(seed)

    def fix_public_draws(self, seed: int) -> None:
        """Draw generated pictures from a seed."""
        self._public.manual_seed(seed)

    def prepare(self, records: PrivateRecords, releases: Releases) -> None:
        """Make the first generator of the autoencoder that the run starts from.

        Its encoder says where the records' codes lie, which is released as for a VAE; the decoder
        and that latent prior are a generator already, and the steps refine it.
        """
        if self._start is None:
            return
        if self._processes.first:
            network = ConditionalVAE(self._architecture).to(self._device)
            network.load_state_dict(self._start.weights)
            made = fit_generator(
                network,
                self._architecture,
                records,
                releases,
                reference=self._start.reference,
            )
            self._generator.load_state_dict(made.state_dict())
        self._processes.broadcast_tensors(list(self._generator.state_dict().values()))

    def finish(
        self,
        average: nn.Module,
        records: PrivateRecords,  # noqa: ARG002 - the protocol's shape
        releases: Releases,  # noqa: ARG002 - likewise
    ) -> LatentGenerator:
        """Keep the averaged generator; what is released was released before the steps."""
        assert isinstance(average, LatentGenerator)
        return average

    def _directions(self, count: int) -> Tensor:
        shape = (count, *self._generator.modality.dimensions)
        drawn = self._secret.standard_normal(shape, dtype=np.float32)
        return torch.from_numpy(drawn).to(self._device)

    def _generate(self, rows: int) -> tuple[Tensor, Tensor]:
        """Pictures of uniformly drawn labels: how often a class occurs among records is secret."""
        labels = torch.randint(self._architecture.classes, (rows,), generator=self._public)
        seed = int(torch.randint(2**62, (), generator=self._public))
        draw = self._generator.propose(labels, seed)
        return self._generator.render(draw.noise, draw.places, draw.grain), labels.to(self._device)


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
