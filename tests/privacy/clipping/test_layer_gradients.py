"""Every layer's rule against autograd's own gradient of one unit at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from safegen.privacy.clipping import arithmetic
from safegen.privacy.clipping.layer_gradients import RULES, Scratch

UNITS = 3
EXACTLY = 1e-5


def slopes_for(layer, seen):
    with torch.no_grad():
        return torch.randn_like(layer(seen))


def gradients(layer, seen, slopes, records):
    """Each unit's gradient by autograd in 64 bits: for each parameter, (units, ...)."""
    layer = layer.double()
    seen = seen.double() if seen.is_floating_point() else seen
    units = [
        torch.autograd.grad(
            (layer(seen[start : start + records]) * slopes[start : start + records]).sum(),
            list(layer.parameters()),
        )
        for start in range(0, len(seen), records)
    ]
    layer.float()
    return [torch.stack(each) for each in zip(*units, strict=True)]


def squared_norms(truth):
    return torch.stack([each.flatten(1).square().sum(1) for each in truth]).sum(0)


def rule(kind, *arguments):
    return RULES[kind](*arguments, Scratch())


def assert_rule_holds(layer, seen, records, slopes=None):
    """Norms unit by unit, and a weighted sum, parameter by parameter."""
    slopes = slopes_for(layer, seen) if slopes is None else slopes
    truth = gradients(layer, seen, slopes, records)
    sums = rule(type(layer), layer, seen, slopes, records)
    found, true = sums.squares.sqrt(), squared_norms(truth).sqrt()
    torch.testing.assert_close(found, true, rtol=EXACTLY, atol=0)
    factors = torch.rand(len(seen) // records, dtype=torch.float64) + 0.1
    weighed = sums.weigh(factors)
    assert len(weighed) == len(truth)
    for parameter, ours, each in zip(layer.parameters(), weighed, truth, strict=True):
        expected = torch.tensordot(factors, each, dims=1)
        assert ours.shape == parameter.shape
        assert ours.dtype == sums.squares.dtype == torch.float64
        scale = expected.abs().max().item()
        torch.testing.assert_close(ours, expected, rtol=0, atol=EXACTLY * scale)


each_records = pytest.mark.parametrize("records", [1, 3])


@each_records
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("between", [(), (5,), (2, 3)])
def test_linear(records, bias, between):
    torch.manual_seed(0)
    assert_rule_holds(
        nn.Linear(7, 4, bias=bias), torch.randn(UNITS * records, *between, 7), records
    )


@each_records
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 5, 3),
        nn.Conv2d(2, 5, 4, stride=2, padding=1),
        nn.Conv2d(1, 3, 3, padding=2, dilation=2),
        nn.Conv2d(6, 4, 3, groups=2, padding=1),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(3, 2, (1, 5), bias=False, stride=(1, 3), padding=(0, 2)),
        nn.Conv2d(2, 3, (4, 2), stride=(3, 2), padding=(1, 0), dilation=(2, 3)),
        nn.Conv2d(3, 4, 1),
        nn.Conv2d(16, 3, 1, bias=False),
        nn.Conv2d(9, 3, (4, 2), stride=(3, 2), padding=(1, 0), dilation=(2, 3)),
    ],
    ids=lambda layer: layer.extra_repr(),
)
def test_convolution_of_non_square_pictures(layer, records):
    torch.manual_seed(0)
    seen = torch.randn(UNITS * records, layer.in_channels, 9, 12)
    assert_rule_holds(layer, seen, records)


@each_records
def test_a_convolution_that_leaves_the_last_rows_unseen(records):
    """With stride 3 and kernel 2 on 9 pixels, the last ones are under no kernel."""
    torch.manual_seed(0)
    assert_rule_holds(nn.Conv2d(2, 3, 2, stride=3), torch.randn(UNITS * records, 2, 9, 9), records)


@each_records
@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(2, 5, 3),
        nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1),
        nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d(3, 2, 3, stride=3, output_padding=(2, 1), bias=False),
        nn.ConvTranspose2d(6, 4, 3, groups=2, stride=2),
        nn.ConvTranspose2d(4, 4, 2, groups=4, bias=False),
        nn.ConvTranspose2d(2, 3, (2, 3), dilation=(3, 2), padding=(2, 1)),
        nn.ConvTranspose2d(4, 6, (3, 1), stride=(2, 1), output_padding=(1, 0), groups=2),
        nn.ConvTranspose2d(3, 9, (4, 2), stride=(3, 2), padding=(1, 0), output_padding=(0, 1)),
    ],
    ids=lambda layer: layer.extra_repr(),
)
def test_transposed_convolution_of_non_square_pictures(layer, records):
    torch.manual_seed(0)
    seen = torch.randn(UNITS * records, layer.in_channels, 4, 6)
    assert_rule_holds(layer, seen, records)


@each_records
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm(groups, records):
    torch.manual_seed(0)
    layer = nn.GroupNorm(groups, 6, eps=1e-3)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    assert_rule_holds(layer, 3 * torch.randn(UNITS * records, 6, 4, 5) + 2, records)


@each_records
@pytest.mark.parametrize("shape", [(6,), (6, 5)])
def test_group_norm_of_vectors_and_sequences(shape, records):
    """GroupNorm with one group is what is offered in LayerNorm's place, so it must take these."""
    torch.manual_seed(0)
    assert_rule_holds(nn.GroupNorm(1, 6), torch.randn(UNITS * records, *shape), records)


@each_records
@pytest.mark.parametrize("between", [(), (6,), (2, 3)])
@pytest.mark.parametrize("padding", [None, 0, 2])
def test_embedding_with_repeated_numbers(between, padding, records):
    torch.manual_seed(0)
    layer = nn.Embedding(4, 5, padding_idx=padding)
    numbers = torch.randint(4, (UNITS * records, *between))
    numbers[0] = 1 if padding is None else padding
    assert_rule_holds(layer, numbers, records)


def test_an_embedding_unit_that_looks_up_padding_alone_has_no_gradient():
    layer = nn.Embedding(4, 5, padding_idx=2)
    sums = rule(nn.Embedding, layer, torch.full((2, 3), 2), torch.randn(2, 3, 5), 1)
    assert sums.squares.tolist() == [0, 0]
    assert not sums.weigh(torch.ones(2))[0].any()


def test_an_embedding_unit_whose_positions_cancel_has_no_negative_square():
    """Its root would be no number, and one record would stop the training of all."""
    torch.manual_seed(0)
    slopes = 100 * torch.randn(200, 3, 5)
    slopes[:, 2] = -(slopes[:, 0] + slopes[:, 1])
    sums = rule(nn.Embedding, nn.Embedding(4, 5), torch.zeros(200, 3, dtype=torch.int64), slopes, 1)
    assert (sums.squares >= 0).all()


# The two ways to a norm


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that is made inside."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return made


@each_records
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(120, 150), (4, 120)),
        (nn.Conv2d(32, 48, 3), (32, 4, 4)),
        (nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), (64, 3, 3)),
        (nn.Conv2d(64, 96, 3, groups=2), (64, 4, 4)),
    ],
    ids=["linear", "convolution", "transposed", "groups"],
)
def test_large_weights_seen_at_few_positions_never_become_one_gradient_a_unit(
    layer, shape, records
):
    torch.manual_seed(0)
    seen = torch.randn(8 * records, *shape)
    assert_rule_holds(layer, seen, records)
    with Largest() as largest, torch.no_grad():
        rule(type(layer), layer, seen, slopes_for(layer, seen), records)
    assert largest.numbers < 8 * layer.weight.numel()


@each_records
@pytest.mark.parametrize(
    ("layer", "shape", "positions"),
    [
        (nn.Linear(5, 6), (200, 5), 200),
        (nn.Conv2d(1, 8, 3), (1, 18, 18), 16 * 16),
        (nn.ConvTranspose2d(8, 1, 4, stride=2), (8, 12, 12), 12 * 12),
    ],
    ids=["linear", "convolution", "transposed"],
)
def test_small_weights_seen_at_many_positions_never_pair_them(layer, shape, positions, records):
    torch.manual_seed(0)
    seen = torch.randn(8 * records, *shape)
    assert_rule_holds(layer, seen, records)
    with Largest() as largest, torch.no_grad():
        rule(type(layer), layer, seen, slopes_for(layer, seen), records)
    assert largest.numbers < 8 * (records * positions) ** 2


@pytest.mark.parametrize("positions", [2, 20])
@pytest.mark.parametrize("loudness", [10.0, 100.0, 1000.0, 10_000.0])
def test_a_unit_whose_positions_nearly_cancel_is_clipped_by_its_true_norm(positions, loudness):
    """Sensitivity is a worst case: what a norm loses must stay within the bound.

    Half of the positions see the same as the other half, but for a little, and have opposite
    slopes: the products are large, and what is left of their sum is 100 clipping norms long.
    """
    torch.manual_seed(0)
    layer, units, half = nn.Linear(256, 256, bias=False), 20, positions // 2
    alike = torch.randn(units, half, 256)
    alike *= loudness / alike.norm(dim=2, keepdim=True)
    other = alike + torch.randn(units, half, 256) / 16
    slopes = torch.randn(units, half, 256)
    seen, slopes = torch.cat([alike, other], dim=1), torch.cat([-slopes, slopes], dim=1)
    (each,) = gradients(layer, seen, slopes, 1)
    slopes *= 100 / each.flatten(1).norm(dim=1)[:, None, None]

    sums = rule(nn.Linear, layer, seen, slopes, 1)
    factors = 1 / sums.squares.sqrt().clamp(min=1)
    for unit in range(units):
        alone = torch.zeros(units, dtype=torch.float64)
        alone[unit] = factors[unit]
        assert sums.weigh(alone)[0].norm() <= 1 + arithmetic.bound(positions)


# Any shape


@st.composite
def convolutions(draw, transposed):
    """A layer, its input and the records of a unit."""
    torch.manual_seed(draw(st.integers(0, 2**16)))
    kernel, stride, dilation = (
        (draw(st.integers(1, most)), draw(st.integers(1, most))) for most in (3, 3, 2)
    )
    groups = draw(st.integers(1, 3))
    channels = [groups * draw(st.integers(1, 8)) for _ in range(2)]
    shape = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "groups": groups}
    shape["bias"] = draw(st.booleans())
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if transposed:
        spare = [max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)]
        shape["output_padding"] = tuple(draw(st.integers(0, most)) for most in spare)
        shape["padding"] = tuple(draw(st.integers(0, most // 2)) for most in reach)
        sides = [draw(st.integers(1, 4)) for _ in range(2)]
        layer = nn.ConvTranspose2d(*channels, **shape)
    else:
        shape["padding"] = tuple(draw(st.integers(0, 2)) for _ in range(2))
        sides = [draw(st.integers(most + 1, most + 5)) for most in reach]
        layer = nn.Conv2d(*channels, **shape)
    records = draw(st.integers(1, 3))
    return layer, torch.randn(2 * records, channels[0], *sides), records


few = settings(max_examples=40, derandomize=True)


@few
@given(convolutions(transposed=False))
def test_any_convolution(case):
    assert_rule_holds(*case)


@few
@given(convolutions(transposed=True))
def test_any_transposed_convolution(case):
    assert_rule_holds(*case)


@few
@given(
    wide=st.integers(1, 9),
    high=st.integers(1, 9),
    between=st.lists(st.integers(1, 4), max_size=2),
    records=st.integers(1, 3),
)
def test_any_linear_layer(wide, high, between, records):
    torch.manual_seed(0)
    assert_rule_holds(nn.Linear(wide, high), torch.randn(2 * records, *between, wide), records)


@pytest.mark.parametrize("kind", list(RULES), ids=lambda kind: kind.__name__)
def test_no_unit_hears_of_another(kind):
    """A unit's square, and its part of a sum, stay the same when the other unit is exchanged."""
    torch.manual_seed(0)
    layer, seen = {
        nn.Linear: (nn.Linear(4, 3), torch.randn(4, 5, 4)),
        nn.Conv2d: (nn.Conv2d(4, 3, 3), torch.randn(4, 4, 6, 6)),
        nn.ConvTranspose2d: (nn.ConvTranspose2d(4, 3, 3), torch.randn(4, 4, 6, 6)),
        nn.GroupNorm: (nn.GroupNorm(2, 4), torch.randn(4, 4, 6, 6)),
        nn.Embedding: (nn.Embedding(4, 3), torch.randint(4, (4, 5))),
    }[kind]
    slopes = slopes_for(layer, seen)
    other, loud = seen.flip(-1).clone(), 100 * slopes
    other[:2], loud[:2] = seen[:2], slopes[:2]
    first = torch.tensor([1.0, 0.0], dtype=torch.float64)
    one, two = (rule(kind, layer, *given, 2) for given in ((seen, slopes), (other, loud)))
    assert one.squares[0] == two.squares[0]
    assert one.squares[1] != two.squares[1]
    for ours, theirs in zip(one.weigh(first), two.weigh(first), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=EXACTLY, atol=1e-6)
