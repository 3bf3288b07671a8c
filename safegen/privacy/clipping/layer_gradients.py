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

No norm may come out too small, or a unit would be clipped too little, and no sum may tell of a unit
more than its clipped gradient. The direct way takes the norm of the very numbers that it adds up,
`BLOCK` units at a time in 32 bits, and these sums in 64. Gram matrices, and the sums that go with
them, are taken in 64 bits, because positions that nearly cancel leave a small difference of large
numbers. How far all this can err is proved in decision 37; `arithmetic` has the bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from safegen.privacy.clipping import arithmetic

if TYPE_CHECKING:
    from collections.abc import Callable


# Numbers in a line of a kernel, from which channels-last patches are faster.
MIN_CHANNELS_LAST_CHANNELS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a layer knows of some units.

    Attributes:
        squares: (units,), float64, the squared norm of each unit's gradient in this layer.
        weigh: takes factors (units,), float64, and gives, for each of the layer's parameters in
            order, the sum over units of factor times gradient, float64, in the parameter's shape.
    """

    squares: Tensor
    weigh: Callable[[Tensor], tuple[Tensor, ...]]


class Scratch:
    """Memory that chunk after chunk uses again, in the same order.

    Asking the system for tens of megabytes a chunk costs as much as filling them.
    """

    def __init__(self) -> None:
        self._held: list[Tensor] = []
        self._next = 0

    def rewind(self) -> None:
        """Begin a chunk: what the last one took may be written over."""
        self._next = 0

    def take(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of that shape, with the type and device of another; its numbers are anything."""
        count = math.prod(shape)
        place, self._next = self._next, self._next + 1
        if place == len(self._held):
            self._held.append(like.new_empty(count))
        elif self._held[place].numel() < count or self._held[place].device != like.device:
            self._held[place] = like.new_empty(count)
        return self._held[place][:count].view(shape)


class Rule(Protocol):
    """One layer type's rule."""

    def __call__(
        self, layer: nn.Module, seen: Tensor, slopes: Tensor, records: int, scratch: Scratch, /
    ) -> Sums:
        """Norms and sums of one chunk.

        Args:
            layer: whose parameters they are.
            seen: (rows, ...), the layer's input.
            slopes: (rows, ...), gradient of the losses with respect to its output, float32.
            records: rows of one unit, which lie beside each other; rows is a multiple of it.
            scratch: memory that is used again for the next chunk.
        """
        ...


def linear(layer: nn.Module, seen: Tensor, slopes: Tensor, records: int, scratch: Scratch) -> Sums:
    """A linear layer: positions are whatever lies between the rows and the last dimension."""
    assert isinstance(layer, nn.Linear)
    inputs = seen.float().reshape(-1, records * _between(seen), seen.shape[-1])
    outputs = slopes.reshape(inputs.shape[0], inputs.shape[1], slopes.shape[-1])
    weight = _outer(inputs.transpose(1, 2), outputs.transpose(1, 2), scratch)
    return _with_bias(layer, weight, outputs.sum(dim=1))


def convolution(
    layer: nn.Module, seen: Tensor, slopes: Tensor, records: int, scratch: Scratch
) -> Sums:
    """A convolution: what it saw at a position is the patch under its kernel there."""
    assert isinstance(layer, nn.Conv2d)
    weight = _kernel(layer, seen.float(), slopes, records, scratch)
    return _with_bias(layer, weight, _by_unit(_by_channel(slopes), records))


def transposed_convolution(
    layer: nn.Module, seen: Tensor, slopes: Tensor, records: int, scratch: Scratch
) -> Sums:
    """The mirror image: its input plays the slopes' part, the slopes' patches the input's."""
    assert isinstance(layer, nn.ConvTranspose2d)
    weight = _kernel(layer, slopes, seen.float(), records, scratch)
    return _with_bias(layer, weight, _by_unit(_by_channel(slopes), records))


def group_norm(
    layer: nn.Module, seen: Tensor, slopes: Tensor, records: int, _scratch: Scratch
) -> Sums:
    """Group normalisation's scale and shift: few enough to hold for every unit of a chunk."""
    assert isinstance(layer, nn.GroupNorm)
    normed = functional.group_norm(seen.float(), layer.num_groups, eps=layer.eps)
    scale = _by_unit(_by_channel(normed * slopes), records).double()
    shift = _by_unit(_by_channel(slopes), records).double()
    return Sums(
        squares=scale.square().sum(1) + shift.square().sum(1),
        weigh=lambda factors: (factors @ scale, factors @ shift),
    )


def embedding(
    layer: nn.Module, seen: Tensor, slopes: Tensor, records: int, _scratch: Scratch
) -> Sums:
    """An embedding: positions that looked up the same row add up before they are squared."""
    assert isinstance(layer, nn.Embedding)
    numbers = seen.reshape(-1, records * _between(seen[..., None]))
    outputs = slopes.double().reshape(*numbers.shape, -1)
    if layer.padding_idx is not None:
        outputs = outputs * (numbers != layer.padding_idx)[..., None]
    same = numbers[:, :, None] == numbers[:, None, :]
    products = outputs @ outputs.transpose(1, 2)

    def weigh(factors: Tensor) -> tuple[Tensor, ...]:
        summed = outputs.new_zeros(layer.num_embeddings, layer.embedding_dim)
        scaled = outputs * factors[:, None, None]
        return (summed.index_add_(0, numbers.flatten(), scaled.flatten(0, 1)),)

    gross = outputs.norm(dim=2).sum(dim=1)
    return Sums(squares=_safely((products * same).sum(dim=(1, 2)), gross), weigh=weigh)


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: linear,
    nn.Conv2d: convolution,
    nn.ConvTranspose2d: transposed_convolution,
    nn.GroupNorm: group_norm,
    nn.Embedding: embedding,
}


def _outer(inputs: Tensor, outputs: Tensor, scratch: Scratch) -> Sums:
    """Norms and sums of sum_t b_t a_t^T.

    Args:
        inputs: (units, d, positions), float32.
        outputs: (units, o, positions), float32.
        scratch: memory that is used again.

    Returns:
        Sums whose one gradient is (o, d).
    """
    _, wide, positions = inputs.shape
    high = outputs.shape[1]
    if positions == 1:
        return _outer_at_one_position(inputs[..., 0], outputs[..., 0])
    if positions * (wide + high) < wide * high:
        return _outer_by_gram(inputs.double(), outputs.double())
    each = scratch.take((len(inputs), high, wide), inputs)
    torch.bmm(outputs, inputs.transpose(1, 2), out=each)
    held = each.flatten(1)
    return Sums(
        squares=arithmetic.squared_norms(held),
        weigh=lambda factors: (arithmetic.weighted_sum(factors, held).view(high, wide),),
    )


def _outer_at_one_position(inputs: Tensor, outputs: Tensor) -> Sums:
    """|b a^T| is |a| |b|. Inputs (units, d) and outputs (units, o), float32."""
    return Sums(
        squares=arithmetic.squared_norms(inputs) * arithmetic.squared_norms(outputs),
        weigh=lambda factors: (arithmetic.weighted_products(factors, outputs, inputs),),
    )


def _outer_by_gram(inputs: Tensor, outputs: Tensor) -> Sums:
    """By inner products of positions. Inputs (units, d, positions), outputs alike, float64."""
    high, wide = outputs.shape[1], inputs.shape[1]
    gram = (inputs.transpose(1, 2) @ inputs) * (outputs.transpose(1, 2) @ outputs)
    gross = (inputs.norm(dim=1) * outputs.norm(dim=1)).sum(dim=1)

    def weigh(factors: Tensor) -> tuple[Tensor, ...]:
        summed = inputs.new_zeros(high, wide)
        for part in arithmetic.parts(len(inputs)):
            scaled = (outputs[part] * factors[part, None, None]).transpose(0, 1).reshape(high, -1)
            summed += scaled @ inputs[part].transpose(1, 2).reshape(-1, wide)
        return (summed,)

    return Sums(squares=_safely(gram.sum(dim=(1, 2)), gross), weigh=weigh)


def _safely(squares: Tensor, gross: Tensor) -> Tensor:
    """Squared norms with more than 64 bits can lose of them where positions nearly cancel.

    Args:
        squares: (units,), float64.
        gross: (units,), float64, the sum over positions of |a| |b|.
    """
    return squares.clamp(min=0) + arithmetic.CANCELLATION_ALLOWANCE * gross.square()


def _kernel(
    layer: nn.Conv2d | nn.ConvTranspose2d,
    image: Tensor,
    outputs: Tensor,
    records: int,
    scratch: Scratch,
) -> Sums:
    """Norms and sums of a kernel that met `image`'s patches at the positions of `outputs`.

    Args:
        layer: whose weight it is.
        image: (rows, channels, height, width), float32.
        outputs: (rows, o, positions high, positions wide), float32.
        records: rows of one unit.
        scratch: memory that is used again.
    """
    rows, columns = layer.kernel_size
    channels_last = layer.groups == 1 and columns * image.shape[1] >= MIN_CHANNELS_LAST_CHANNELS
    cut = _patches_channels_last if channels_last else _patches
    patches = cut(layer, image, outputs.shape[2:], records, scratch)
    merged = _merged(outputs, records)
    parts = [
        _outer(inputs, slopes, scratch)
        for inputs, slopes in zip(
            patches.chunk(layer.groups, dim=1), merged.chunk(layer.groups, dim=1), strict=True
        )
    ]

    def weigh(factors: Tensor) -> tuple[Tensor, ...]:
        summed = torch.cat([part.weigh(factors)[0] for part in parts])
        if channels_last:
            return (summed.view(len(summed), rows, columns, -1).permute(0, 3, 1, 2).contiguous(),)
        return (summed.view_as(layer.weight),)

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
    bias = bias.double()
    return Sums(
        squares=weight.squares + bias.square().sum(1),
        weigh=lambda factors: (*weight.weigh(factors), factors @ bias),
    )


def _patches(
    layer: nn.Conv2d | nn.ConvTranspose2d,
    image: Tensor,
    grid: torch.Size,
    records: int,
    scratch: Scratch,
) -> Tensor:
    """Every patch under a kernel: (units, channels x kernel, records x positions).

    One strided copy, because torch's own unfold is ten times slower on a CPU.
    """
    (rows, columns), (down, right) = layer.kernel_size, layer.stride
    (tall, broad), (top, left) = layer.dilation, _padding(layer)
    padded = functional.pad(image, (left, left, top, top)).contiguous()
    units, channels = len(padded) // records, padded.shape[1]
    batch, plane, line, step = padded.stride()
    windows = padded.as_strided(
        (units, channels, rows, columns, records, *grid),
        (batch * records, plane, line * tall, step * broad, batch, line * down, step * right),
    )
    held = scratch.take(windows.shape, image).copy_(windows)
    return held.view(units, channels * rows * columns, -1)


def _patches_channels_last(
    layer: nn.Conv2d | nn.ConvTranspose2d,
    image: Tensor,
    grid: torch.Size,
    records: int,
    scratch: Scratch,
) -> Tensor:
    """The same as (units, kernel x channels, records x positions).

    A line of a kernel lies in one piece of memory, so that the copy takes a third of the time
    where there are channels enough to fill it.
    """
    (rows, columns), (down, right) = layer.kernel_size, layer.stride
    (tall, broad), (top, left) = layer.dilation, _padding(layer)
    turned = image.permute(0, 2, 3, 1)
    padded = functional.pad(turned, (0, 0, left, left, top, top)).contiguous()
    batch, line, step, plane = padded.stride()
    windows = padded.as_strided(
        (len(padded), *grid, rows, columns, padded.shape[3]),
        (batch, line * down, step * right, line * tall, step * broad, plane),
    )
    held = scratch.take(windows.shape, image).copy_(windows)
    return held.view(len(padded) // records, records * grid.numel(), -1).transpose(1, 2)


def _padding(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[int, int]:
    """Rows and columns of zeros on either side; a padding in words is refused beforehand."""
    assert not isinstance(layer.padding, str)
    top, left = layer.padding
    return top, left


def _merged(rows: Tensor, records: int) -> Tensor:
    """(rows, o, height, width) as (units, o, records x positions)."""
    flat = rows.flatten(2)
    units = flat.reshape(-1, records, *flat.shape[1:])
    return units.transpose(1, 2).flatten(2)


def _by_channel(rows: Tensor) -> Tensor:
    """(rows, channels, ...) added up to (rows, channels)."""
    return rows.reshape(*rows.shape[:2], -1).sum(dim=2)


def _by_unit(rows: Tensor, records: int) -> Tensor:
    """(rows, o) added up to (units, o)."""
    return rows.reshape(-1, records, rows.shape[1]).sum(dim=1)


def _between(rows: Tensor) -> int:
    """Positions of one row: whatever lies between its first and last dimension."""
    return math.prod(rows.shape[1:-1])
