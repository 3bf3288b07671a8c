"""Book-keeping: clipped sums of per-unit gradients from one backward pass (Bu et al. 2023).

    1. Forward, with parameters frozen and every layer's input kept.
    2. Backward to every layer's output: the gradients of the losses there, and none of a weight.
    3. Chunk by chunk of units: each layer's squared norms (`rules`), which add up to the unit's;
       the factor that clips it; each layer's sum of gradients under these factors.

Beside the activations, which plain training keeps too, memory holds one chunk of per-unit
gradients, however large the batch is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from safegen.errors import PlanError
from safegen.privacy.clipping.layer_gradients import RULES, Scratch
from safegen.privacy.execution.settings import Execution

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_ROWS = {"cpu": 512, "cuda": 4096}  # measured: fewer wait for each other, more miss caches
IN_PLACE = (
    "a layer's input or output is changed in place, so that its gradient is lost; use the function "
    "that makes a new tensor, such as SiLU with inplace=False"
)
SINGLE_PRECISION = Execution()  # norms and sums are in 32 and 64 bits whatever the passes are in
SUPPORTED_LAYERS = "Linear, Conv2d, ConvTranspose2d, GroupNorm or Embedding"
LAYER_REPLACEMENTS = {
    "InstanceNorm": "GroupNorm",
    "LayerNorm": "GroupNorm with one group",
    "RNN": "convolutions or linear layers",
    "LSTM": "convolutions or linear layers",
    "GRU": "convolutions or linear layers",
    "Conv": "Conv2d",
}


@dataclass(slots=True)
class _Call:
    """One layer in one forward pass."""

    layer: nn.Module
    seen: Tensor
    given: Tensor
    versions: tuple[int, int]

    def changed(self) -> bool:
        """Whether what it saw or gave was written over since."""
        return (self.seen._version, self.given._version) != self.versions  # noqa: SLF001


class BookKeeping(nn.Module):
    """A network whose losses can be turned into a clipped sum of gradients."""

    def __init__(self, network: nn.Module, execution: Execution | None = None) -> None:
        """Wrap a network.

        Args:
            network: made of layers that `rules` knows.
            execution: its precision holds for the backward pass, never for norms and sums.

        Raises:
            PlanError: a layer with parameters has no rule; the message says what to use instead.
        """
        super().__init__()
        require_rules(network)
        self.network = network
        self._execution = execution or Execution()
        self._calls: list[_Call] = []
        self._scratch = Scratch()
        self._handles = [
            layer.register_forward_hook(self._keep)
            for layer in network.modules()
            if any(parameter.requires_grad for parameter in layer.parameters(recurse=False))
        ]
        self._keeping = False

    def forward(self, *inputs: Any, **named: Any) -> Any:  # noqa: ANN401 - the network's own
        """The network's forward pass, kept for the next `clipped_sum` when gradients are on."""
        if not torch.is_grad_enabled():
            return self.network(*inputs, **named)
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        for parameter in parameters:
            parameter.requires_grad_(False)  # noqa: FBT003 - torch takes no name here
        self._keeping = bool(parameters)
        self._calls = []
        try:
            return self.network(*inputs, **named)
        except RuntimeError as error:
            if "in-place" in str(error):
                raise PlanError(IN_PLACE) from error
            raise
        finally:
            self._keeping = False
            for parameter in parameters:
                parameter.requires_grad_(True)  # noqa: FBT003 - likewise

    def clipped_sum(
        self, losses: Tensor, norm: float, *, rows: int, records: int
    ) -> dict[nn.Parameter, Tensor]:
        """Sum over units of the gradient of each unit's losses, clipped to an L2 norm.

        Args:
            losses: (n,), each row's own loss, computed through this module since the last call.
            norm: the clipping norm.
            rows: how many of the first rows belong to units of `records` rows each, beside each
                other; every row after them is a unit of its own.
            records: rows of one unit.

        Returns:
            For each parameter that took part, its sum, float64, in its shape.
        """
        calls, self._calls = self._calls, []
        if losses.dim() != 1:
            raise PlanError(
                f"the losses have shape {tuple(losses.shape)}; give one loss a row, not their sum"
            )
        if any(call.changed() for call in calls):
            raise PlanError(IN_PLACE)
        for call in calls:
            require_rows(type(call.layer).__name__, len(call.seen), len(losses))
        with self._execution.products(losses.device):
            slopes = torch.autograd.grad(
                losses.sum(), [call.given for call in calls], allow_unused=True
            )
        pairs = [
            (call, slope.float())
            for call, slope in zip(calls, slopes, strict=True)
            if slope is not None
        ]
        sums: dict[nn.Parameter, Tensor] = {}
        with SINGLE_PRECISION.products(losses.device):
            for part, size in _chunks(len(losses), rows, records, losses.device):
                self._scratch.rewind()
                chunk = _clipped_chunk(pairs, norm, part, size, self._scratch)
                for parameter, summed in chunk:
                    held = sums.get(parameter)
                    sums[parameter] = summed if held is None else held.add_(summed)
        return sums

    def release(self) -> nn.Module:
        """Take the hooks off; no clipped sum can follow."""
        for handle in self._handles:
            handle.remove()
        return self.network

    def _keep(self, layer: nn.Module, inputs: tuple[Tensor, ...], given: Tensor) -> Tensor:
        if not self._keeping:
            return given
        if any(call.layer is layer for call in self._calls):
            raise PlanError(
                f"a {type(layer).__name__} is used twice in one pass, which book-keeping cannot "
                "follow; train with mode `hooks`"
            )
        if not given.requires_grad:
            given = given.requires_grad_()
        if len(inputs) != 1:
            raise PlanError(
                f"a {type(layer).__name__} is called by keyword; call it as layer(rows)"
            )
        (seen,) = inputs
        versions = seen._version, given._version  # noqa: SLF001 - torch's own counters
        self._calls.append(_Call(layer, seen.detach(), given, versions))
        return given


def require_rules(network: nn.Module) -> None:
    """Refuse a network with parameters that no rule covers, or that mixes records.

    Raises:
        PlanError: it names the layer and what to use instead.
    """
    require_unmixed(network)
    owners: dict[int, str] = {}
    for name, layer in network.named_modules():
        own = list(layer.parameters(recurse=False))
        if not any(parameter.requires_grad for parameter in own):
            continue
        kind = type(layer).__name__
        if type(layer) not in RULES:
            instead = next(
                (way for word, way in LAYER_REPLACEMENTS.items() if word in kind), SUPPORTED_LAYERS
            )
            raise PlanError(
                f"layer {name or 'network'} ({kind}) has no rule for one record's gradient there; "
                f"use {instead}"
            )
        unusual = _unusual(layer)
        if unusual is not None:
            raise PlanError(f"layer {name or 'network'} ({kind}) has {unusual}")
        for parameter in own:
            if id(parameter) in owners:
                raise PlanError(
                    f"layers {owners[id(parameter)]} and {name} share a parameter, which "
                    "book-keeping cannot follow; train with mode `hooks`"
                )
            owners[id(parameter)] = name


def require_unmixed(network: nn.Module) -> None:
    """Refuse layers under which no record has a gradient of its own, in any mode.

    Raises:
        PlanError: it names the layer and what to use instead.
    """
    for name, layer in network.named_modules():
        kind = type(layer).__name__
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - its family
            raise PlanError(
                f"layer {name or 'network'} ({kind}) mixes the records of a batch, so that "
                "clipping one does not bound it; use GroupNorm"
            )
        if getattr(layer, "track_running_stats", False):
            raise PlanError(
                f"layer {name or 'network'} ({kind}) keeps statistics of the records as they are; "
                "use it with track_running_stats=False, or GroupNorm"
            )
        names = {word for word, _ in layer.named_parameters(recurse=False)}
        if is_parametrized(layer) or any(word.endswith(("_orig", "_g", "_v")) for word in names):
            raise PlanError(
                f"layer {name or 'network'} ({kind}) computes its weight from other parameters; "
                "use the layer without spectral norm, weight norm or any other parametrization"
            )


def require_rows(kind: str, seen: int, losses: int) -> None:
    """Refuse a layer whose rows are not the records' rows.

    Raises:
        PlanError: they are more or fewer.
    """
    if seen != losses:
        raise PlanError(
            f"a {kind} saw {seen} rows for {losses} losses, so that no row of it is one record; "
            "keep the first dimension for records"
        )


def _unusual(layer: nn.Module) -> str | None:
    """What a known layer's rule does not cover, with the way out; None for nothing."""
    own = [parameter.requires_grad for parameter in layer.parameters(recurse=False)]
    if not all(own):
        return "some frozen parameters and some not; freeze all of it or none"
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        if isinstance(layer.padding, str):
            return f"padding {layer.padding!r}; use numbers, such as padding=1"
        if layer.padding_mode != "zeros":
            return f"padding mode {layer.padding_mode!r}; use zeros"
    if isinstance(layer, nn.Embedding):
        if layer.max_norm is not None or layer.scale_grad_by_freq:
            return "max_norm or scale_grad_by_freq, which mix records; use it without them"
        if layer.sparse:
            return "sparse gradients; use sparse=False"
    return None


def _chunks(
    count: int, rows: int, records: int, device: torch.device
) -> Iterator[tuple[slice, int]]:
    """Slices of whole units, and how many rows a unit has there."""
    size = CHUNK_ROWS.get(device.type, CHUNK_ROWS["cpu"])
    whole = max(size // records, 1) * records
    for start in range(0, rows, whole):
        yield slice(start, min(start + whole, rows)), records
    for start in range(rows, count, size):
        yield slice(start, min(start + size, count)), 1


def _clipped_chunk(
    pairs: list[tuple[_Call, Tensor]], norm: float, part: slice, records: int, scratch: Scratch
) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Each parameter with its clipped sum over one chunk."""
    sums = [
        RULES[type(call.layer)](call.layer, call.seen[part], slope[part], records, scratch)
        for call, slope in pairs
    ]
    squares = torch.stack([each.squares for each in sums]).sum(dim=0)
    factors = norm / squares.sqrt().clamp(min=norm)  # float64, as what is weighed by them
    for (call, _), each in zip(pairs, sums, strict=True):
        yield from zip(call.layer.parameters(recurse=False), each.weigh(factors), strict=True)
