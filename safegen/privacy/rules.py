"""How each layer's gradient of one unit is normed and summed, without keeping one a record.

A layer's weight gradient for one record is a sum over positions t of outer products b_t a_t^T,
where a_t is what the layer saw there (a patch, for a convolution) and b_t the gradient of the
record's loss with respect to what it gave. A unit of k records has k times as many positions and
no other difference, so every rule takes a unit's positions together.

Two ways lead to the norm, and the cheaper one is taken for each layer:

    direct   || sum_t b_t a_t^T ||                        positions x inputs x outputs
    Gram     sqrt( sum_{s,t} <a_s, a_t> <b_s, b_t> )      positions^2 x (inputs + outputs)

(Goodfellow 2015 for one position; Li et al. 2022, Bu et al. 2023 for Gram matrices and for
choosing by layer.) For one position both are |a| |b|.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a layer knows of some units.

    Attributes:
        squares: (units,), float32, the squared norm of each unit's gradient in this layer.
        weigh: takes factors (units,) and gives, for each of the layer's parameters in order, the
            sum over units of factor times gradient, in the parameter's shape.
    """

    squares: Tensor
    weigh: Callable[[Tensor], tuple[Tensor, ...]]


class Rule(Protocol):
    """One layer type's rule."""

    def __call__(self, layer: nn.Module, seen: Tensor, slopes: Tensor, records: int) -> Sums:
        """Norms and sums of one chunk.

        Args:
            layer: whose parameters they are.
            seen: (rows, ...), the layer's input.
            slopes: (rows, ...), gradient of the losses with respect to its output, float32.
            records: rows of one unit, which lie beside each other; rows is a multiple of it.
        """
        ...


def linear(layer: nn.Module, seen: Tensor, slopes: Tensor, records: int) -> Sums:
    """A linear layer: positions are whatever lies between the rows and the last dimension."""
    assert isinstance(layer, nn.Linear)
    inputs = seen.float().reshape(-1, records * _between(seen), seen.shape[-1])
    outputs = slopes.reshape(inputs.shape[0], inputs.shape[1], slopes.shape[-1])
    weight = _outer(inputs.transpose(1, 2), outputs.transpose(1, 2))
    return _with_bias(layer, weight, outputs.sum(dim=1))


def convolution(layer: nn.Module, seen: Tensor, slopes: Tensor, records: int) -> Sums:
    """A convolution: what it saw at a position is the patch under its kernel there."""
    assert isinstance(layer, nn.Conv2d)
    patches = _patches(layer, seen.float(), slopes.shape[2:], records)
    weight = _grouped(layer, patches, _merged(slopes, records))
    return _with_bias(layer, weight, _by_unit(slopes.flatten(2).sum(2), records))


def transposed_convolution(layer: nn.Module, seen: Tensor, slopes: Tensor, records: int) -> Sums:
    """The mirror image: its input plays the slopes' part, the slopes' patches the input's."""
    assert isinstance(layer, nn.ConvTranspose2d)
    patches = _patches(layer, slopes, seen.shape[2:], records)
    weight = _grouped(layer, patches, _merged(seen.float(), records))
    return _with_bias(layer, weight, _by_unit(slopes.flatten(2).sum(2), records))


def group_norm(layer: nn.Module, seen: Tensor, slopes: Tensor, records: int) -> Sums:
    """Group normalisation's scale and shift: few enough to hold for every unit of a chunk."""
    assert isinstance(layer, nn.GroupNorm)
    normed = functional.group_norm(seen.float(), layer.num_groups, eps=layer.eps)
    scale = _by_unit((normed * slopes).flatten(2).sum(2), records)
    shift = _by_unit(slopes.flatten(2).sum(2), records)
    return Sums(
        squares=scale.square().sum(1) + shift.square().sum(1),
        weigh=lambda factors: (factors @ scale, factors @ shift),
    )


def embedding(layer: nn.Module, seen: Tensor, slopes: Tensor, records: int) -> Sums:
    """An embedding: positions that looked up the same row add up before they are squared."""
    assert isinstance(layer, nn.Embedding)
    numbers = seen.reshape(-1, records * _between(seen[..., None]))
    outputs = slopes.reshape(*numbers.shape, -1)
    if layer.padding_idx is not None:
        outputs = outputs * (numbers != layer.padding_idx)[..., None]
    same = numbers[:, :, None] == numbers[:, None, :]
    products = outputs @ outputs.transpose(1, 2)

    def weigh(factors: Tensor) -> tuple[Tensor, ...]:
        summed = outputs.new_zeros(layer.num_embeddings, layer.embedding_dim)
        scaled = outputs * factors[:, None, None]
        return (summed.index_add_(0, numbers.flatten(), scaled.flatten(0, 1)),)

    return Sums(squares=(products * same).sum(dim=(1, 2)), weigh=weigh)


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: linear,
    nn.Conv2d: convolution,
    nn.ConvTranspose2d: transposed_convolution,
    nn.GroupNorm: group_norm,
    nn.Embedding: embedding,
}


def _outer(inputs: Tensor, outputs: Tensor) -> Sums:
    """Norms and sums of sum_t b_t a_t^T.

    Args:
        inputs: (units, d, positions), float32.
        outputs: (units, o, positions), float32.

    Returns:
        Sums whose one gradient is (o, d).
    """
    _, wide, positions = inputs.shape
    high = outputs.shape[1]
    if positions == 1:
        squares = inputs.square().sum(dim=(1, 2)) * outputs.square().sum(dim=(1, 2))
    elif positions * (wide + high) < wide * high:
        gram = (inputs.transpose(1, 2) @ inputs) * (outputs.transpose(1, 2) @ outputs)
        squares = gram.sum(dim=(1, 2)).clamp(min=0)
    else:
        each = torch.bmm(outputs, inputs.transpose(1, 2)).flatten(1)
        return Sums(
            squares=torch.linalg.vecdot(each, each),
            weigh=lambda factors: ((factors @ each).view(high, wide),),
        )

    def weigh(factors: Tensor) -> tuple[Tensor, ...]:
        scaled = (outputs * factors[:, None, None]).transpose(0, 1).reshape(high, -1)
        return (scaled @ inputs.transpose(1, 2).reshape(-1, wide),)

    return Sums(squares=squares, weigh=weigh)


def _grouped(layer: nn.Conv2d | nn.ConvTranspose2d, patches: Tensor, outputs: Tensor) -> Sums:
    """Norms and sums of a convolution's weight, group by group; shaped like the weight."""
    parts = [
        _outer(inputs, slopes)
        for inputs, slopes in zip(
            patches.chunk(layer.groups, dim=1), outputs.chunk(layer.groups, dim=1), strict=True
        )
    ]

    def weigh(factors: Tensor) -> tuple[Tensor, ...]:
        return (torch.cat([part.weigh(factors)[0] for part in parts]).view_as(layer.weight),)

    squares = parts[0].squares
    for part in parts[1:]:
        squares = squares + part.squares
    return Sums(squares=squares, weigh=weigh)


def _with_bias(
    layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, weight: Sums, bias: Tensor
) -> Sums:
    """The weight's sums with the bias's, whose gradient (units, o) is small enough to hold."""
    if layer.bias is None:
        return weight
    return Sums(
        squares=weight.squares + bias.square().sum(1),
        weigh=lambda factors: (*weight.weigh(factors), factors @ bias),
    )


def _patches(
    layer: nn.Conv2d | nn.ConvTranspose2d, image: Tensor, grid: torch.Size, records: int
) -> Tensor:
    """Every patch under a kernel: (units, channels x kernel, records x positions), contiguous.

    One strided copy, because torch's own unfold is ten times slower on a CPU.
    """
    assert not isinstance(layer.padding, str)
    (rows, columns), (down, right) = layer.kernel_size, layer.stride
    (tall, broad), (top, left) = layer.dilation, layer.padding
    padded = functional.pad(image, (left, left, top, top)).contiguous()
    units, channels = len(padded) // records, padded.shape[1]
    batch, plane, line, step = padded.stride()
    windows = padded.as_strided(
        (units, channels, rows, columns, records, *grid),
        (batch * records, plane, line * tall, step * broad, batch, line * down, step * right),
    )
    return windows.reshape(units, channels * rows * columns, -1)


def _merged(rows: Tensor, records: int) -> Tensor:
    """(rows, o, height, width) as (units, o, records x positions)."""
    flat = rows.flatten(2)
    units = flat.reshape(-1, records, *flat.shape[1:])
    return units.transpose(1, 2).flatten(2)


def _by_unit(rows: Tensor, records: int) -> Tensor:
    """(rows, o) added up to (units, o)."""
    return rows.reshape(-1, records, rows.shape[1]).sum(dim=1)


def _between(rows: Tensor) -> int:
    """Positions of one row: whatever lies between its first and last dimension."""
    return math.prod(rows.shape[1:-1])
