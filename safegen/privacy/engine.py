"""The private engine: the one door through which a network may learn from records.

It stands on Opacus' per-sample gradients and its DPOptimizer, and adds what a generator needs:
sampling and noise from a secure stream, a normaliser that is a public constant, empty batches
that are steps like any other, a count of the events that ran, and a way to use the network
publicly without leaving a trace in it.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn

from safegen.errors import PlanError, TrainingError
from safegen.privacy.noise import secure_generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from safegen.privacy.plan import PrivacyPlan
    from safegen.records.certificate import Event


class PrivateEngine:
    """One network under one plan."""

    def __init__(
        self,
        network: nn.Module,
        plan: PrivacyPlan,
        optimizer: torch.optim.Optimizer,
        *,
        rows_beside: int = 0,
    ) -> None:
        """Put a network under a plan.

        Args:
            network: the only one that will see records; made of layers that have a per-sample
                gradient (no BatchNorm, no spectral norm).
            plan: what was granted.
            optimizer: over the network's parameters.
            rows_beside: rows of public content in every step, such as generated pictures; a
                fixed number, because one that follows the drawn batch would double sensitivity.

        Raises:
            PlanError: the network has a layer without a per-sample gradient.
        """
        self._plan = plan
        self._generator = secure_generator()
        self._steps_run = 0
        try:
            self.network = GradSampleModule(network, loss_reduction="sum", strict=True)
        except NotImplementedError as error:
            raise PlanError(
                f"the network cannot be trained privately: {error}; use GroupNorm or none in "
                "place of BatchNorm, and plain Linear and Conv2d layers"
            ) from error
        self._optimizer = _SecureOptimizer(
            optimizer,
            noise_multiplier=plan.noise_multiplier,
            max_grad_norm=plan.clipping_norm,
            expected_batch_size=plan.expected_batch_size + rows_beside,
            loss_reduction="mean",
        )
        self._optimizer.secure_generator = self._generator
        self._optimizer.attach_step_hook(self._count)

    def draw(self) -> NDArray[np.int64]:
        """Draw a step's records: each one independently, with the plan's probability.

        Returns:
            The drawn records' numbers, sorted; (drawn,), int64; possibly none.
        """
        chosen = self._generator.random(self._plan.records) < self._plan.sampling_probability
        return np.flatnonzero(chosen)

    def step(self, losses: Tensor | None) -> None:
        """Take one noisy step: clip each row's gradient, sum, add noise, divide by a constant.

        Args:
            losses: (rows,), each row's own loss, computed through `network`; None for an empty
                batch, which must not go through the network, because Opacus would keep its
                activations for the next.

        Raises:
            TrainingError: a gradient is not finite. The network is left as it was; the step is
                counted all the same, because stopping has told something about the records.
        """
        if losses is None:
            self._pretend_empty_gradients()
        else:
            with warnings.catch_warnings():  # pictures need no gradient, and Opacus knows
                warnings.filterwarnings("ignore", message="Full backward hook is firing")
                losses.sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def set_learning_rate(self, value: float) -> None:
        """Change the learning rate from the next step on."""
        for group in self._optimizer.param_groups:
            group["lr"] = value

    @contextlib.contextmanager
    def used_publicly(self) -> Iterator[nn.Module]:
        """Lend the network for work without records, such as a generator's step.

        Gradients flow through it to its inputs and leave nothing on its parameters.
        """
        self.network.disable_hooks()
        self.network.requires_grad_(requires_grad=False)
        try:
            yield self.network
        finally:
            self.network.requires_grad_(requires_grad=True)
            self.network.enable_hooks()

    @property
    def steps_run(self) -> int:
        """How many noisy steps have run."""
        return self._steps_run

    def events(self) -> tuple[Event, ...]:
        """The steps that ran, as events; without any release."""
        return self._plan.step_events(self._steps_run)

    def release_network(self) -> None:
        """Take the hooks off the network; no private step can follow."""
        self.network.to_standard_module()

    def _count(self, optimizer: DPOptimizer) -> None:  # noqa: ARG002 - Opacus' hook
        self._steps_run += 1

    def _pretend_empty_gradients(self) -> None:
        """An empty batch has a sum of gradients too: zero. Its noise is added all the same."""
        for parameter in self.network.parameters():
            parameter.grad_sample = parameter.new_zeros((0, *parameter.shape))


class _SecureOptimizer(DPOptimizer):  # type: ignore[misc]
    """Opacus' optimizer with noise from a secure stream, and a refusal of broken gradients."""

    secure_generator: np.random.Generator

    def add_noise(self) -> None:
        deviation = self.noise_multiplier * self.max_grad_norm
        broken = False
        for parameter in self.params:
            summed = parameter.summed_grad
            noise = self.secure_generator.standard_normal(summed.shape, dtype=np.float32)
            broken |= not bool(torch.isfinite(summed).all())
            parameter.grad = summed + deviation * torch.from_numpy(noise).to(summed)
        if broken:
            if self.step_hook:
                self.step_hook(self)
            raise TrainingError(
                "a gradient is not finite, so it cannot be clipped: training stops here; lower "
                "the learning rate, or look for broken values in the pictures"
            )
