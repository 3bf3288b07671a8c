"""The one door to Opacus: its optimizer with our noise, and its ways to per-unit gradients.

Every way gives what book-keeping gives, so the engine does not know which one it has.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from opacus.grad_sample import GradSampleModule, GradSampleModuleExpandedWeights
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import (
    GradSampleModuleFastGradientClipping,
)
from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
from torch import Tensor, nn

from safegen.errors import PlanError, TrainingError
from safegen.privacy.clipping.arithmetic import squared_norms, weighted_sum
from safegen.privacy.clipping.bookkeeping import require_rows, require_unmixed
from safegen.privacy.mechanism.outlet import STEP_NAME, Output

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.privacy.execution.processes import Processes
    from safegen.privacy.mechanism.lattice import Lattice
    from safegen.privacy.mechanism.outlet import Outlet

OpacusMode = Literal["hooks", "ew", "functorch", "ghost"]
LEFT_BEHIND = {"activations", "max_batch_len"}  # on a layer, when a pass ends before its time


class OpacusGradients(nn.Module):
    """A network under one of Opacus' modes, with the interface of `BookKeeping`."""

    def __init__(self, network: nn.Module, mode: OpacusMode) -> None:
        """Wrap a network.

        Raises:
            PlanError: Opacus refuses a layer.
        """
        super().__init__()
        self._mode = mode
        require_unmixed(network)
        self._plainly_laid_out = [
            layer.register_forward_pre_hook(_see_contiguous)
            for layer in network.to(memory_format=torch.contiguous_format).modules()
        ]
        try:
            self.wrapped = _wrap(network, mode)
        except NotImplementedError as error:
            raise PlanError(
                f"the network cannot be trained privately: {error}; use GroupNorm or none in "
                "place of BatchNorm, and plain Linear and Conv2d layers"
            ) from error

    def forward(self, *inputs: Any, **named: Any) -> Any:  # noqa: ANN401 - the network's own
        """The network's forward pass, kept for the next `clipped_sum`."""
        return self.wrapped(*inputs, **named)

    def clipped_sum(
        self, losses: Tensor, norm: float, *, rows: int, records: int
    ) -> dict[nn.Parameter, Tensor]:
        """As `BookKeeping.clipped_sum`."""
        with warnings.catch_warnings():  # pictures need no gradient, and Opacus knows
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            if self._mode == "ghost":
                return self._ghost(norm, losses, rows=rows, records=records)
            losses.sum().backward()  # type: ignore[no-untyped-call]
        return self._sums(norm, len(losses), rows=rows, records=records)

    def release(self) -> nn.Module:
        """Take the hooks off, with all that a broken pass has left; no clipped sum can follow."""
        network: nn.Module = self.wrapped.to_standard_module()
        for handle in self._plainly_laid_out:
            handle.remove()
        for layer in network.modules():
            for name in LEFT_BEHIND & vars(layer).keys():
                delattr(layer, name)
        for parameter in network.parameters():
            parameter.grad = None
        return network

    def _sums(
        self, norm: float, count: int, *, rows: int, records: int
    ) -> dict[nn.Parameter, Tensor]:
        each: dict[nn.Parameter, Tensor] = {}
        for parameter in self.parameters():
            sample = getattr(parameter, "grad_sample", None)
            parameter.grad_sample = parameter.grad = None  # type: ignore[attr-defined]
            if sample is not None:
                require_rows("layer", len(sample), count)
                inside, beside = sample[:rows].flatten(1), sample[rows:].flatten(1)
                units = inside.unflatten(0, (-1, records)).sum(1) if rows else inside
                each[parameter] = torch.cat([units, beside])
        squares = torch.stack([squared_norms(sample) for sample in each.values()]).sum(0)
        factors = norm / squares.sqrt().clamp(min=norm)
        return {
            parameter: weighted_sum(factors, sample).view_as(parameter)
            for parameter, sample in each.items()
        }

    def _ghost(
        self, norm: float, losses: Tensor, *, rows: int, records: int
    ) -> dict[nn.Parameter, Tensor]:
        if records != 1 and rows:
            raise PlanError("mode `ghost` cannot clip groups or R1; train with mode `book-keeping`")
        losses.sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
        factors = norm / self.wrapped.get_norm_sample().clamp(min=norm)
        require_rows("layer", len(factors), len(losses))
        self.wrapped.disable_hooks()
        for parameter in self.parameters():
            parameter.grad = None
        (factors * losses).sum().backward()
        self.wrapped.enable_hooks()
        sums = {p: p.grad.double() for p in self.parameters() if p.grad is not None}
        for parameter in sums:
            parameter.grad = None
        return sums


def _wrap(network: nn.Module, mode: OpacusMode) -> Any:  # noqa: ANN401 - untyped
    match mode:
        case "ew":
            return GradSampleModuleExpandedWeights(network, loss_reduction="sum")
        case "ghost":
            return GradSampleModuleFastGradientClipping(  # its own clipping norm is not asked for
                network, loss_reduction="sum", use_ghost_clipping=True
            )
        case "hooks" | "functorch":
            return GradSampleModule(
                network, loss_reduction="sum", strict=True, force_functorch=mode == "functorch"
            )


def _see_contiguous(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Let a layer see channels before rows, as Opacus takes for granted.

    It reads a convolution's patches by strides of its own: of channels-last rows it would take
    wrong gradients, and say nothing.
    """
    return tuple(each.contiguous() if isinstance(each, Tensor) else each for each in inputs)


class NoisyOptimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]
    """Opacus' optimizer for gradients that are clipped already, with noise on a lattice."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        lattice: Lattice,
        noise: np.random.Generator,
        processes: Processes,
        expected_batch_size: int,
        noise_multiplier: float,
        clipping_norm: float,
        outlet: Outlet | None = None,
    ) -> None:
        super().__init__(
            optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=clipping_norm,
            expected_batch_size=expected_batch_size,
            loss_reduction="mean",
        )
        self._lattice = lattice
        self._noise = noise
        self._processes = processes
        self._outlet = outlet
        self.sums: dict[nn.Parameter, Tensor] = {}

    def accumulate(self) -> None:
        """Nothing is left to clip; a parameter that took no part has a sum of zero."""
        for parameter in self.params:
            held = self.sums.get(parameter)
            parameter.summed_grad = torch.zeros_like(parameter) if held is None else held
        self.sums = {}

    def add_noise(self) -> None:
        """Round the sum to the lattice, add it up over all processes with the first one's noise.

        Raises:
            TrainingError: a gradient is not finite. The step is counted all the same, because
                stopping has told something about the records.
        """
        flat = torch.cat([p.summed_grad.flatten().double().cpu() for p in self.params]).numpy()
        try:
            points, broken = self._lattice.points(flat), 0
        except OverflowError:
            points, broken = np.zeros(len(flat), dtype=np.int64), 1
        if self._processes.first:
            points = points + self._lattice.noise(len(flat), self._noise)
        shared = self._processes.total(np.append(points, broken))
        if shared[-1]:
            self.step_hook(self)
            raise TrainingError(
                "a gradient is not finite, so it cannot be clipped: training stops here; lower "
                "the learning rate, or look for broken values in the pictures"
            )
        noisy = torch.from_numpy(self._left(flat, self._lattice.values(shared[:-1])))
        start = 0
        for parameter in self.params:
            stop = start + parameter.numel()
            parameter.grad = noisy[start:stop].view_as(parameter).to(parameter)
            start = stop

    def _left(self, summed: NDArray[np.float64], noisy: NDArray[np.float64]) -> NDArray[np.float64]:
        """What leaves: the noisy sum, or what a rehearsal puts in its place in every process."""
        if self._outlet is None:
            return noisy
        return self._outlet(
            Output(
                name=STEP_NAME,
                statistic=summed,
                noisy=noisy,
                sensitivity=self._lattice.sensitivity,
                noise_multiplier=self._lattice.deviation / self._lattice.sensitivity,
            )
        )
