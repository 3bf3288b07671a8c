"""The private engine: the one way in which a network may learn from records.

A step, in order:

    1. `draw`: every unit enters independently (`sampling`); their records are opened for `learn`.
    2. Losses of the drawn rows, and of the public rows beside them, in one pass or in
       micro-batches; each unit's gradient is clipped and the clipped ones are summed. When a GPU's
       memory ends, nothing has left yet: the same draw is summed in smaller micro-batches.
    3. The sum is rounded to a lattice and noise is added in integers (`lattice`).
    4. It is divided by a public constant, never by the number that was drawn.
    5. The step is counted; an empty batch is a step like any other.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from safegen.errors import PlanError
from safegen.privacy.clipping.bookkeeping import BookKeeping
from safegen.privacy.execution.memory import RowsAtATime
from safegen.privacy.execution.processes import Processes
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism import opening
from safegen.privacy.mechanism.lattice import lattice
from safegen.privacy.mechanism.noise import secure_generator, unsafe_seeded_generator
from safegen.privacy.mechanism.opacus_bridge import NoisyOptimizer, OpacusGradients
from safegen.privacy.mechanism.sampling import ABSENT_ROW, PoissonSampler, SampledUnits
from safegen.privacy.mechanism.sealed import PrivateRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from safegen.privacy.accounting.plan import PrivacyPlan
    from safegen.privacy.mechanism.canaries import Canaries
    from safegen.privacy.mechanism.outlet import Outlet
    from safegen.schemas.certificate import Event


T = TypeVar("T")


class Losses(Protocol):
    """What turns rows into losses."""

    def __call__(self, network: nn.Module, *parts: Tensor) -> Tensor:
        """Each row's own loss, (rows,), computed through `network` from slices of the parts."""
        ...


class Batch(Protocol):
    """What makes a step's tensors of the drawn records."""

    def __call__(self, samples: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Tensors whose first dimension is rows: the records' in their order, then public ones.

        Args:
            samples: (rows, *dimensions), float32 in [0, 1].
            labels: (rows,), int64.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run is carried out; nothing here changes epsilon, apart from what is unsafe.

    Attributes:
        execution: speed and memory.
        processes: this process among those that train together.
        canaries: made-up units that take part, moved to where the network is; None for none.
        unsafe_seeded_noise: a seed for the noise; voids the guarantee, for tests only.
        outlet: what every step's noisy sum goes through, in rehearsals; None for none.
    """

    execution: Execution = field(default_factory=Execution)
    processes: Processes = field(default_factory=Processes)
    canaries: Canaries | None = None
    unsafe_seeded_noise: int | None = None
    outlet: Outlet | None = None


class PrivateEngine:
    """One network under one plan.

    Attributes:
        network: the one that will see records, to compute losses through.
        lattice: where its sums are rounded to, and how much noise they get.
        units_drawn: how many units took part, over all draws.
        units_considered: how many coins were tossed for that.
        sizes: how many units took part in each draw.
        rows_per_unit: rows of one unit in a step, beside each other.
        rows_at_a_time: as the execution says, or fewer once memory has ended.
        overheard: called with the noisy sum of each step, which is all that a step gives out.
    """

    def __init__(
        self,
        network: nn.Module,
        plan: PrivacyPlan,
        optimizer: torch.optim.Optimizer,
        *,
        rows_beside: int = 0,
        rows_per_record: int = 1,
        groups: NDArray[np.int64] | PrivateRecords | None = None,
        settings: Settings | None = None,
        steps_before: int = 0,
    ) -> None:
        """Put a network under a plan.

        Args:
            network: the only one that will see records; made of layers with a rule for one
                record's gradient (no BatchNorm, no spectral norm).
            plan: what was granted.
            optimizer: over the network's parameters.
            rows_beside: rows of public content in every step, such as generated pictures, over
                all processes; a fixed number, because one that follows the drawn batch would
                double sensitivity.
            rows_per_record: how often each record is in a draw, beside itself; its losses may
                depend on all of these rows, which are clipped as one.
            groups: (records,), int64, the unit of each record, or the records under seal, which
                know it; None when records are units.
            settings: how the plan is carried out.
            steps_before: steps that an interrupted run has counted already.

        Raises:
            PlanError: the network has a layer without a rule, or the groups do not fit.
        """
        self._plan = plan
        if isinstance(groups, PrivateRecords):
            groups = opening.groups_of(groups)
        settings = settings or Settings()
        canaries, seed = settings.canaries, settings.unsafe_seeded_noise
        self._execution, self._processes = settings.execution, settings.processes
        self._canaries = canaries
        self._network = network
        self._rows_per_record = rows_per_record
        self.rows_per_unit = plan.records_per_unit * rows_per_record
        self.rows_at_a_time = RowsAtATime(
            size=self._execution.rows_in_a_pass, least=self.rows_per_unit
        )
        self._steps_run = steps_before
        self.units_drawn = self.units_considered = 0  # over all draws of this engine
        self.sizes: list[int] = []
        self._divisor = plan.expected_batch_size + rows_beside
        self.network = self._clipping(network)
        if canaries is not None:
            canaries.to(next(network.parameters()).device)
        self._canary_gradients = None if canaries is None else self._clipping(canaries)
        self._sampler = PoissonSampler(
            plan,
            groups,
            generator=secure_generator(),
            canaries=None if canaries is None else canaries.numbers,
            share=(self._processes.rank, self._processes.world),
        )
        if canaries is not None:
            optimizer.add_param_group({"params": list(canaries.parameters()), "lr": 0.0})
        self.lattice = lattice(
            clipping_norm=plan.clipping_norm,
            noise_multiplier=plan.noise_multiplier,
            dimensions=sum(p.numel() for g in optimizer.param_groups for p in g["params"]),
            parts=self._processes.world,
        )
        self._optimizer = NoisyOptimizer(
            optimizer,
            lattice=self.lattice,
            noise=secure_generator() if seed is None else unsafe_seeded_generator(seed),
            processes=self._processes,
            expected_batch_size=self._divisor,
            noise_multiplier=plan.noise_multiplier,
            clipping_norm=plan.clipping_norm,
            outlet=settings.outlet,
        )
        self._optimizer.attach_step_hook(self._count)
        self.overheard: Callable[[dict[nn.Parameter, Tensor]], None] | None = None

    def draw(self) -> SampledUnits:
        """Draw a step's units: each one independently, with the plan's probability."""
        draw = self._sampler.draw()
        self.sizes.append(len(draw.rows) // self._plan.records_per_unit)
        self.units_drawn += self.sizes[-1]
        self.units_considered += self._sampler.units
        return SampledUnits(
            rows=np.repeat(draw.rows, self._rows_per_record), canaries=draw.canaries
        )

    def learn(self, records: PrivateRecords, batch: Batch, losses: Losses) -> None:
        """Draw, open the drawn records, and take one noisy step.

        Raises:
            TrainingError: as `step`.
        """
        draw, parts = self.opened(records, self.draw(), batch)
        self.step(draw, parts, losses)

    def opened(
        self,
        records: PrivateRecords,
        draw: SampledUnits,
        batch: Batch,
        *,
        keep_absent: bool = False,
    ) -> tuple[SampledUnits, tuple[Tensor, ...]]:
        """A step's tensors, made of the drawn records; none may leave but through `step`.

        A record that is its own unit and is not there leaves no row; one of a group leaves its row
        empty, as the group may have fewer than are drawn.

        Args:
            records: under seal.
            draw: whose.
            batch: makes the tensors.
            keep_absent: whether every record that is not there leaves its row empty.
        """
        places = opening.places_of(records, draw.rows)
        if self._plan.unit == "record" and not keep_absent:
            places = places[places != ABSENT_ROW]
        return SampledUnits(rows=places, canaries=draw.canaries), batch(
            *opening.rows_of(records, places)
        )

    def step(self, draw: SampledUnits, parts: tuple[Tensor, ...], losses: Losses) -> None:
        """Take one noisy step.

        Args:
            draw: who takes part.
            parts: tensors whose first dimension is rows: first the drawn ones in the draw's
                order, then the public ones beside them.
            losses: turns slices of the parts into each row's loss.

        Raises:
            TrainingError: a gradient is not finite. The network is left as it was; the step is
                counted all the same, because stopping has told something about the records.
        """
        self._optimizer.sums = self.clipped_sums(draw, parts, losses)
        self._optimizer.step()
        if self.overheard is not None:
            self.overheard({p: p.grad * self._divisor for p in self._optimizer.params})
        if self._canaries is not None:
            self._canaries.listen(self._divisor / self._plan.clipping_norm)
        self._optimizer.zero_grad(set_to_none=True)

    def rehearse(self, draw: SampledUnits, parts: tuple[Tensor, ...], losses: Losses) -> bool:
        """Do all of a step that comes before the noise, with made-up rows, and forget it.

        Returns:
            Whether every sum came out finite.

        Raises:
            PlanError: a row's loss depends on another record's, or the network remembers rows.
        """
        self._fitting(len(parts[0]), lambda: self._require_rows_apart(parts, losses))
        sums = self.clipped_sums(draw, parts, losses)
        return all(bool(summed.isfinite().all()) for summed in sums.values())

    def fix_draws(self, seed: int) -> None:
        """Draw units from a seed from now on: for rehearsals alone, on made-up records."""
        self._sampler.fix(seed)

    def set_learning_rate(self, value: float) -> None:
        """Change the network's learning rate from the next step on; the canaries stay put."""
        self._optimizer.param_groups[0]["lr"] = value

    @contextlib.contextmanager
    def used_publicly(self) -> Iterator[nn.Module]:
        """Lend the network for work without records, such as a generator's step.

        Gradients flow through it to its inputs and leave nothing on its parameters.
        """
        self._network.requires_grad_(requires_grad=False)
        try:
            with self._unwatched():
                yield self._network
        finally:
            self._network.requires_grad_(requires_grad=True)

    @contextlib.contextmanager
    def _unwatched(self) -> Iterator[None]:
        """Keep Opacus from taking gradients of what goes through the network meanwhile."""
        if isinstance(self.network, OpacusGradients):
            self.network.wrapped.disable_hooks()
        try:
            yield
        finally:
            if isinstance(self.network, OpacusGradients):
                self.network.wrapped.enable_hooks()

    @property
    def steps_run(self) -> int:
        """How many noisy steps have run, those of an interrupted run before this included."""
        return self._steps_run

    @property
    def units_each(self) -> int:
        """How many units have a coin tossed here in each step."""
        return self._sampler.units

    def events(self) -> tuple[Event, ...]:
        """The steps that ran, as events; without any release."""
        return self._plan.step_events(self._steps_run)

    def release_network(self) -> None:
        """Take the hooks off the network; no private step can follow."""
        self.network.release()

    def _clipping(self, network: nn.Module) -> BookKeeping | OpacusGradients:
        mode = self._execution.mode
        if mode == "book-keeping":
            return BookKeeping(network, self._execution)
        return OpacusGradients(network, mode)

    def clipped_sums(
        self, draw: SampledUnits, parts: tuple[Tensor, ...], losses: Losses
    ) -> dict[nn.Parameter, Tensor]:
        """The sum of clipped gradients of a step, over micro-batches and canaries."""
        return self._fitting(len(parts[0]), lambda: self._clipped_sums(draw, parts, losses))

    def _fitting(self, rows: int, attempt: Callable[[], T]) -> T:
        return self.rows_at_a_time.fitting(rows, attempt, afresh=self._wrap_anew)

    def _wrap_anew(self) -> None:
        """Drop what a broken pass has left on the networks: activations, and gradients of rows."""
        self.network.release()
        self.network = self._clipping(self._network)
        if self._canary_gradients is not None and self._canaries is not None:
            self._canary_gradients.release()
            self._canary_gradients = self._clipping(self._canaries)

    def _require_rows_apart(self, parts: tuple[Tensor, ...], losses: Losses) -> None:
        size, own = self.rows_at_a_time.size, self._rows_per_record
        few = None if size is None else max(size // own, 2) * own
        with self._unwatched():
            _require_rows_apart(self._network, tuple(part[:few] for part in parts), losses, own)

    def _clipped_sums(
        self, draw: SampledUnits, parts: tuple[Tensor, ...], losses: Losses
    ) -> dict[nn.Parameter, Tensor]:
        sums: dict[nn.Parameter, Tensor] = {}

        def add(more: dict[nn.Parameter, Tensor]) -> None:
            for parameter, summed in more.items():
                held = sums.get(parameter)
                sums[parameter] = summed if held is None else held.add_(summed)

        norm, records = self._plan.clipping_norm, self.rows_per_unit
        drawn, count = len(draw.rows), len(parts[0])
        for part, rows in self._micro_batches(drawn, count):
            with self._execution.products(parts[0].device):
                each = losses(self.network, *(tensor[part] for tensor in parts)).float()
            if rows:
                absent = torch.from_numpy(draw.rows[part.start : part.start + rows] < 0)
                each = _without(each, absent)
            add(self.network.clipped_sum(each, norm, rows=rows, records=records))
        if self._canary_gradients is not None and len(draw.canaries):
            numbers = torch.from_numpy(draw.canaries).to(parts[0].device)
            loud = self._canary_gradients(numbers) * norm
            add(self._canary_gradients.clipped_sum(loud, norm, rows=0, records=1))
        return sums

    def _micro_batches(self, drawn: int, count: int) -> Iterator[tuple[slice, int]]:
        """Slices of the rows, and how many rows of each slice were drawn."""
        if not count:
            return
        size = self.rows_at_a_time.size
        if size is None:
            yield slice(0, count), drawn
            return
        records = self.rows_per_unit
        whole = max(size // records, 1) * records
        for start in range(0, drawn, whole):
            stop = min(start + whole, drawn)
            yield slice(start, stop), stop - start
        for start in range(drawn, count, size):
            yield slice(start, min(start + size, count)), 0

    def _count(self, optimizer: NoisyOptimizer) -> None:  # noqa: ARG002 - Opacus' hook
        self._steps_run += 1


def _require_rows_apart(
    network: nn.Module, parts: tuple[Tensor, ...], losses: Losses, own: int
) -> None:
    """Each record's loss must be its own: clipping one bounds nothing when it moves the others'.

    Args:
        network: that will see records.
        parts: made-up rows.
        losses: each row's.
        own: rows of one record, whose losses may depend on each other.

    Raises:
        PlanError: a row's loss depends on another record's, or the network remembers rows.
    """
    before = [buffer.detach().clone() for buffer in network.buffers()]
    rows = parts[0].detach().clone().requires_grad_()
    first = losses(network, rows, *parts[1:])
    if first.dim() != 1 or len(first) != len(rows):
        raise PlanError(
            f"the losses have shape {tuple(first.shape)} for {len(rows)} rows; give one loss a row"
        )
    (slopes,) = torch.autograd.grad(first[0], rows)
    if bool(slopes.isfinite().all()) and bool(slopes[own:].any()):
        raise PlanError(
            "the loss of one row depends on other rows, so that clipping its gradient does not "
            "bound it; take out whatever mixes the rows of a batch"
        )
    if any(not torch.equal(old, new) for old, new in zip(before, network.buffers(), strict=True)):
        raise PlanError("the network keeps something of the rows in a buffer; take that out")


def _without(losses: Tensor, absent: Tensor) -> Tensor:
    """Losses with those of absent rows replaced by a zero that has no gradient."""
    if not bool(absent.any()):
        return losses
    padded = torch.zeros(len(losses), dtype=torch.bool)
    padded[: len(absent)] = absent
    return torch.where(padded.to(losses.device), torch.zeros_like(losses), losses)
