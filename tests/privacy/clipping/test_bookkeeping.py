"""Clipped sums, by book-keeping and by Opacus' modes, against autograd one unit at a time."""

import copy
import itertools
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from safegen.errors import PlanError
from safegen.models.generator import one_hot
from safegen.privacy.clipping import bookkeeping
from safegen.privacy.clipping.bookkeeping import BookKeeping
from safegen.privacy.execution.settings import Execution
from safegen.privacy.mechanism.canaries import Canaries
from safegen.privacy.mechanism.lattice import ARITHMETIC_ALLOWANCE
from safegen.privacy.mechanism.opacus_bridge import OpacusGradients
from safegen.schemas.card import DataCard, PictureShape
from safegen.training.objectives.gan import GanObjective
from safegen.training.objectives.vae import VaeObjective
from safegen.training.presets.registry import preset

EXACTLY = 1e-5  # of the largest entry
OPACUS = ["hooks", "ew", "functorch", "ghost"]


# What is true: autograd in 64 bits, one unit at a time


def gradients(network, losses, parts, rows, records):
    """Each unit's gradient: by parameter name, (units, ...), float64."""
    network = copy.deepcopy(network).double()
    parts = [part.double() if part.is_floating_point() else part for part in parts]
    starts = [*range(0, rows, records), *range(rows, len(parts[0])), len(parts[0])]
    names, parameters = zip(*network.named_parameters(), strict=True)
    each = [
        torch.autograd.grad(
            losses(network, *(part[start:stop] for part in parts)).sum(),
            parameters,
            materialize_grads=True,
            allow_unused=True,
        )
        for start, stop in itertools.pairwise(starts)
    ]
    return {name: torch.stack(of) for name, of in zip(names, zip(*each, strict=True), strict=True)}


def norms_of(truth):
    return torch.stack([each.flatten(1).square().sum(1) for each in truth.values()]).sum(0).sqrt()


def summed(truth, norm):
    factors = norm / norms_of(truth).clamp(min=norm)
    return {name: torch.tensordot(factors, each, dims=1) for name, each in truth.items()}


# What is under test


def wrapped(network, mode):
    return BookKeeping(network) if mode == "book-keeping" else OpacusGradients(network, mode)


def clipped(network, losses, parts, norm, *, rows, records, mode="book-keeping"):
    """The clipped sum by parameter name."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    wrapper = wrapped(network, mode)
    sums = wrapper.clipped_sum(losses(wrapper, *parts), float(norm), rows=rows, records=records)
    wrapper.release()
    return {names[parameter]: each for parameter, each in sums.items()}


def assert_same(ours, truth):
    assert ours.keys() == truth.keys()
    largest = max(each.abs().max().item() for each in truth.values())
    for name, each in truth.items():
        assert ours[name].shape == each.shape, name
        assert (ours[name].double() - each).abs().max().item() <= EXACTLY * largest, name


def assert_clips_like_autograd(network, losses, parts, *, rows, records, mode="book-keeping"):
    """With a norm that about half of the units exceed."""
    truth = gradients(network, losses, parts, rows, records)
    norms = norms_of(truth)
    norm = norms.median().item()
    assert norms.min() < norm < norms.max()
    ours = clipped(network, losses, parts, norm, rows=rows, records=records, mode=mode)
    assert_same(ours, summed(truth, norm))


# Networks


class Pictures(nn.Module):
    """Convolutions of both kinds, a norm, and a linear layer."""

    def __init__(self, transposed=True):
        super().__init__()
        self.down = nn.Conv2d(2, 6, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(3, 6)
        up = nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1, groups=2, bias=False)
        self.up = up if transposed else nn.Conv2d(6, 4, (2, 3), groups=2, bias=False)
        self.last = nn.LazyLinear(1)
        self(torch.zeros(1, 2, 8, 6))

    def forward(self, pictures):
        hidden = functional.silu(self.norm(self.down(pictures)))
        return self.last(torch.tanh(self.up(hidden)).flatten(1))


class Tokens(nn.Module):
    """An embedding, and linear layers over a sequence: a large one and a small one."""

    def __init__(self, padding=None):
        super().__init__()
        self.look = nn.Embedding(5, 40, padding_idx=padding)
        self.wide = nn.Linear(40, 60)
        self.narrow = nn.Linear(60, 1, bias=False)

    def forward(self, tokens):
        return self.narrow(torch.tanh(self.wide(self.look(tokens)))).flatten(1)


def weighed(network, inputs, weights):
    """A row's loss is its output times a loudness of its own, so that norms differ."""
    return network(inputs).sum(1) * weights


def pictures(rows=13, **changes):
    torch.manual_seed(0)
    return Pictures(**changes), weighed, (torch.randn(rows, 2, 8, 6), torch.rand(rows) * 4)


def tokens(rows=13, padding=None):
    torch.manual_seed(0)
    return Tokens(padding), weighed, (torch.randint(5, (rows, 7)), torch.rand(rows) * 4)


def card(channels, side):
    return DataCard(
        name="made-up", source="a test", licence="CC0-1.0", count=60_000, units=60_000,
        shape=PictureShape(channels=channels, height=side, width=side), classes=tuple("0123456789"),
        digest="sha256:0",
    )  # fmt: skip


def trained(family, channels, side, rows=13):
    """What safegen trains: the preset's network and loss, and rows for it."""
    torch.manual_seed(0)
    chosen = preset(family, card(channels, side), 8.0, prior="none")
    made, onehot = torch.rand(rows, channels, side, side), one_hot(torch.arange(rows) % 10, 10)
    made *= torch.rand(rows, 1, 1, 1)  # dim and bright ones
    if family == "vae":
        objective = VaeObjective(chosen.architecture, chosen.recipe)
        last = torch.randn(rows, chosen.architecture.latent)
    else:
        objective = GanObjective(chosen.architecture, chosen.recipe)
        last = torch.ones(rows)
        last[: rows // 2] = -1
    return objective.private, objective.losses, (made, onehot, last)


shapes = pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32)])
families = pytest.mark.parametrize("family", ["vae", "gan"])
units = pytest.mark.parametrize(("rows", "records"), [(13, 1), (6, 1), (9, 3), (12, 4), (0, 1)])


@units
@pytest.mark.parametrize("make", [pictures, tokens])
def test_small_networks(make, rows, records):
    assert_clips_like_autograd(*make(), rows=rows, records=records)


def test_padding_has_no_gradient():
    assert_clips_like_autograd(*tokens(padding=3), rows=9, records=3)


def test_a_group_norm_without_weights_takes_no_part():
    network, losses, parts = pictures()
    network.norm = nn.GroupNorm(3, 6, affine=False)
    assert_clips_like_autograd(network, losses, parts, rows=9, records=3)


@units
@shapes
@families
def test_the_networks_that_are_trained(family, channels, side, rows, records):
    assert_clips_like_autograd(*trained(family, channels, side), rows=rows, records=records)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 13, 100])
@pytest.mark.parametrize("make", [pictures, tokens, lambda: trained("vae", 1, 28)])
def test_any_chunk_gives_the_same_sum(monkeypatch, make, size):
    monkeypatch.setitem(bookkeeping.CHUNK_ROWS, "cpu", size)
    assert_clips_like_autograd(*make(), rows=9, records=3)


by_mode = pytest.mark.parametrize(
    ("mode", "rows", "records"),
    [(mode, rows, 1) for mode in OPACUS for rows in (0, 6, 12)]
    + [(mode, rows, 3) for mode in OPACUS[:3] for rows in (6, 12)],
)


@by_mode
def test_opacus_modes_on_pictures(mode, rows, records):
    transposed = mode != "ew"  # which does not know transposed convolutions
    network = pictures(rows=12, transposed=transposed)
    assert_clips_like_autograd(*network, rows=rows, records=records, mode=mode)


@by_mode
@pytest.mark.filterwarnings("ignore:In CPU autocast")  # Opacus, of an embedding by functorch
def test_opacus_modes_on_tokens(mode, rows, records):
    assert_clips_like_autograd(*tokens(rows=12), rows=rows, records=records, mode=mode)


@pytest.mark.parametrize("mode", ["book-keeping", *OPACUS])
@pytest.mark.filterwarnings("ignore:In CPU autocast")  # Opacus, of an embedding by functorch
def test_every_mode_carries_canaries(mode):
    """Each is louder than the norm, so each that was drawn has the norm in its own number."""
    canaries = Canaries(6)
    loud = lambda network, numbers: network(numbers)  # noqa: E731 - a loss, not a function
    drawn = torch.tensor([1, 4])
    sums = clipped(canaries, loud, (drawn,), 0.5, rows=0, records=1, mode=mode)
    assert sums["table.weight"].squeeze(1).tolist() == pytest.approx([0, 0.5, 0, 0, 0.5, 0])


@shapes
@families
@pytest.mark.parametrize("mode", OPACUS)
def test_opacus_modes_on_the_networks_that_are_trained(mode, family, channels, side):
    network = trained(family, channels, side)
    records = 1 if mode == "ghost" else 2
    assert_clips_like_autograd(*network, rows=6, records=records, mode=mode)


@pytest.mark.parametrize("mode", ["book-keeping", *OPACUS])
def test_channels_last_pictures_have_the_same_gradients(mode):
    network, losses, (rows, *rest) = trained("gan", 3, 32)
    rows = rows.contiguous(memory_format=torch.channels_last)
    records = 1 if mode == "ghost" else 2
    assert not rows.is_contiguous()
    assert_clips_like_autograd(network, losses, (rows, *rest), rows=6, records=records, mode=mode)


@pytest.mark.parametrize("mode", ["book-keeping", "hooks", "ew", "functorch"])
def test_a_norm_that_nobody_exceeds_clips_nothing(mode):
    network, losses, parts = trained("gan", 1, 28)
    truth = gradients(network, losses, parts, 6, 2)
    ours = clipped(network, losses, parts, 1e6, rows=6, records=2, mode=mode)
    assert_same(ours, {name: each.sum(0) for name, each in truth.items()})


@pytest.mark.parametrize("make", [pictures, tokens, lambda rows: trained("vae", 1, 28, rows)])
def test_a_loud_unit_is_clipped_to_the_norm_and_a_quiet_one_left_as_it_is(make):
    """One unit at a time, so what the sum's norm tells is that unit's own."""
    network, losses, parts = make(rows=3)
    for norm in norms_of(gradients(network, losses, parts, 3, 3)).tolist():
        for bound, expected in ((norm / 7, norm / 7), (norm * 7, norm)):
            sums = clipped(network, losses, parts, bound, rows=3, records=3)
            length = torch.stack([each.double().square().sum() for each in sums.values()]).sum()
            assert length.sqrt().item() == pytest.approx(expected, rel=EXACTLY)


@pytest.mark.parametrize("mode", ["book-keeping", *OPACUS])
def test_the_norm_that_is_passed_is_the_one_that_clips(mode):
    """One wrapper, one norm after another: none is remembered from before (opacus#664)."""
    network, losses, parts = trained("gan", 1, 28)
    truth = gradients(network, losses, parts, 13, 1)
    names = {parameter: name for name, parameter in network.named_parameters()}
    wrapper = wrapped(network, mode)
    for share in (0.5, 0.01, 2.0):
        norm = share * norms_of(truth).median().item()
        sums = wrapper.clipped_sum(losses(wrapper, *parts), norm, rows=13, records=1)
        assert_same({names[p]: each for p, each in sums.items()}, summed(truth, norm))


@pytest.mark.parametrize("make", [tokens, lambda: trained("vae", 1, 28)])
def test_ghost_norms_are_the_true_norms(make):
    network, losses, parts = make()
    truth = norms_of(gradients(network, losses, parts, 13, 1))
    ghost = OpacusGradients(network, "ghost")
    ghost.clipped_sum(losses(ghost, *parts), 1.0, rows=13, records=1)
    seen = ghost.wrapped.per_sample_gradient_norms.double()
    torch.testing.assert_close(seen, truth, rtol=EXACTLY, atol=0)


def test_ghost_mode_refuses_groups_with_a_way_out():
    network, losses, parts = pictures(rows=12)
    with pytest.raises(PlanError, match="book-keeping"):
        clipped(network, losses, parts, 1.0, rows=12, records=3, mode="ghost")


def test_low_precision_moves_the_gradient_and_never_the_bound():
    network, losses, parts = trained("vae", 1, 28, rows=4)
    execution = Execution(precision="bf16")
    truth = summed(gradients(network, losses, parts, 4, 1), 1e6)
    wrapper = BookKeeping(network, execution)
    for norm in (1e6, 0.01):
        with execution.products(torch.device("cpu")):
            each = losses(wrapper, *parts).float()
        sums = wrapper.clipped_sum(each, norm, rows=4, records=4)
        assert {tensor.dtype for tensor in sums.values()} == {torch.float64}
        length = torch.stack([tensor.double().square().sum() for tensor in sums.values()]).sum()
        if norm < 1:
            assert length.sqrt().item() <= norm * (1 + ARITHMETIC_ALLOWANCE)
            continue
        names = dict(network.named_parameters())
        wrong = sum((sums[names[name]] - each).square().sum() for name, each in truth.items())
        assert 1e-8 < wrong / length < 1e-2


# What a pass leaves behind


@pytest.mark.parametrize("mode", ["book-keeping", *OPACUS])
def test_a_pass_leaves_parameters_flags_and_gradients_as_they_were(mode):
    network, losses, parts = trained("gan", 1, 28)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    wrapper = wrapped(network, mode)
    for _ in range(2):
        wrapper.clipped_sum(losses(wrapper, *parts), 0.5, rows=6, records=1)
        for parameter in network.parameters():
            assert parameter.requires_grad
            assert parameter.grad is None
            assert getattr(parameter, "grad_sample", None) is None
    wrapper.release()
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    losses(network, *parts).sum().backward()  # and the network is an ordinary one again
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_flags_are_as_before_after_a_pass_that_was_refused():
    network = Twice()
    network.other.requires_grad_(requires_grad=False)
    with pytest.raises(PlanError):
        BookKeeping(network)(torch.randn(2, 3))
    flags = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    assert flags == {
        "again.weight": True, "again.bias": True, "other.weight": False, "other.bias": False
    }  # fmt: skip


def test_a_frozen_layer_takes_no_part():
    """Nobody asked for its gradient, so it must not use up the clipping norm either."""
    network, losses, parts = pictures()
    truth = gradients(network, losses, parts, 9, 3)
    truth = {name: each for name, each in truth.items() if not name.startswith("down")}
    network.down.requires_grad_(requires_grad=False)
    norm = norms_of(truth).median().item()
    assert_same(clipped(network, losses, parts, norm, rows=9, records=3), summed(truth, norm))
    assert not network.down.weight.requires_grad


def test_a_pass_without_gradients_is_not_kept():
    network, losses, parts = pictures()
    wrapper = BookKeeping(network)
    with torch.no_grad():
        losses(wrapper, *parts)
        losses(wrapper, *parts)
    truth = summed(gradients(network, losses, parts, 13, 1), 1.0)
    sums = wrapper.clipped_sum(losses(wrapper, *parts), 1.0, rows=13, records=1)
    assert_same({name: sums[parameter] for name, parameter in network.named_parameters()}, truth)


def test_a_released_network_is_kept_no_longer():
    network, losses, parts = pictures()
    assert BookKeeping(network).release() is network
    assert not any(layer._forward_hooks for layer in network.modules())
    assert_clips_like_autograd(network, losses, parts, rows=9, records=3)


# Memory


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that is made inside."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return made


@pytest.mark.parametrize("records", [1, 4])
def test_memory_holds_one_chunk_of_unit_gradients_however_large_the_batch(records):
    torch.manual_seed(0)
    batch, positions = 4096, 8 * 8
    network = nn.Sequential(
        nn.Conv2d(4, 8, 5, padding=2), nn.Tanh(), nn.Flatten(), nn.Linear(8 * positions, 64)
    )
    wrapper = BookKeeping(network)
    losses = wrapper(torch.randn(batch, 4, 8, 8)).sum(1)
    with Largest() as largest:
        wrapper.clipped_sum(losses, 1.0, rows=batch, records=records)
    patches = 4 * 5 * 5 * positions  # what one row's convolution sees; its gradient is smaller
    assert largest.numbers <= bookkeeping.CHUNK_ROWS["cpu"] * patches
    assert largest.numbers < batch // records * sum(p.numel() for p in network.parameters()) / 5


# What is refused, naming the layer and a way out


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, rows):
        return self.inner(rows) * self.scale


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.again, self.other = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, rows):
        return self.other(self.again(torch.tanh(self.again(rows))))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, rows):
        return self.second(self.first(rows))


def old(norm, layer):
    with warnings.catch_warnings():  # torch wants its newer form, people have the older one
        warnings.simplefilter("ignore", FutureWarning)
        return norm(layer)


new_spectral_norm = nn.utils.parametrizations.spectral_norm


@pytest.mark.parametrize(
    ("layer", "kind", "way_out"),
    [
        (lambda: nn.BatchNorm1d(3), "BatchNorm1d", "use GroupNorm"),
        (lambda: nn.BatchNorm1d(3, affine=False), "BatchNorm1d", "use GroupNorm"),
        (lambda: nn.LayerNorm(3), "LayerNorm", "use GroupNorm with one group"),
        (lambda: nn.InstanceNorm1d(3, affine=True), "InstanceNorm1d", "use GroupNorm"),
        (lambda: new_spectral_norm(nn.Linear(3, 3)), "", "without spectral norm"),
        (lambda: new_spectral_norm(nn.Linear(3, 3, bias=False)), "", "without spectral norm"),
        (lambda: nn.utils.spectral_norm(nn.Linear(3, 3)), "", "without spectral norm"),
        (lambda: nn.utils.spectral_norm(nn.Conv2d(3, 3, 1)), "", "without spectral norm"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), "", "parametrization"),
        (lambda: old(nn.utils.weight_norm, nn.Linear(3, 3)), "", "parametrization"),
        (Bare, "Bare", "use Linear, Conv2d"),
        (nn.PReLU, "PReLU", "use Linear, Conv2d"),
        (lambda: nn.Conv2d(3, 3, 3, padding="same"), "Conv2d", "use "),
        (lambda: nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), "Conv2d", "use "),
        (lambda: nn.Embedding(3, 3, max_norm=1.0), "Embedding", "use "),
        (lambda: nn.Embedding(3, 3, scale_grad_by_freq=True), "Embedding", "use "),
        (lambda: nn.LSTM(3, 3), "LSTM", "use convolutions or linear"),
        (lambda: nn.Conv1d(3, 3, 1), "Conv1d", "use Conv2d"),
    ],
    ids=[
        "batch norm", "batch norm without weights", "layer norm", "instance norm",
        "spectral norm", "spectral norm without bias", "old spectral norm",
        "old spectral norm of a convolution", "weight norm", "old weight norm",
        "a bare parameter", "prelu", "padding same", "padding reflect",
        "embedding of bounded norm", "embedding scaled by frequency", "lstm", "conv1d",
    ],
)  # fmt: skip
def test_a_layer_without_a_rule_is_refused(layer, kind, way_out):
    network = nn.Sequential()
    network.add_module("before", nn.Linear(3, 3))
    network.add_module("strange", layer())
    with pytest.raises(PlanError) as refusal:
        BookKeeping(network)
    assert "layer strange" in str(refusal.value)
    assert kind in str(refusal.value)
    assert way_out in str(refusal.value)


@pytest.mark.parametrize("settings", [{"padding": "same"}, {"padding_mode": "reflect"}])
def test_a_refused_setting_is_named_rather_than_the_layer_offered_again(settings):
    with pytest.raises(PlanError, match="padding"):
        BookKeeping(nn.Sequential(nn.Conv2d(3, 3, 3, **settings)))


def test_a_bare_parameter_at_the_top_is_refused_by_the_network_s_kind():
    with pytest.raises(PlanError, match=r"layer network \(Bare\) has no rule"):
        BookKeeping(Bare())


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("mode", OPACUS)
def test_opacus_modes_refuse_a_batch_norm_too(mode, affine):
    """With or without weights of its own, it lets each record into all others' gradients."""
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, affine=affine))
    parts = torch.randn(5, 3), torch.ones(5)
    with pytest.raises(PlanError, match="GroupNorm"):
        clipped(network, weighed, parts, 1.0, rows=5, records=1, mode=mode)


def test_layers_that_share_a_parameter_are_refused_with_a_way_out():
    with pytest.raises(PlanError, match=r"first and second share a parameter.*mode `hooks`"):
        BookKeeping(Tied())


def test_a_layer_that_is_used_twice_is_refused_with_a_way_out():
    with pytest.raises(PlanError, match=r"Linear is used twice.*mode `hooks`"):
        BookKeeping(Twice())(torch.randn(2, 3))


@pytest.mark.parametrize("network", [Twice, Tied])
def test_the_way_out_leads_somewhere(network):
    torch.manual_seed(0)
    parts = torch.randn(5, 3), torch.rand(5) * 4
    assert_clips_like_autograd(network(), weighed, parts, rows=5, records=1, mode="hooks")


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("act", [nn.ReLU, nn.SiLU, nn.LeakyReLU])
def test_an_activation_in_place_is_refused_with_a_way_out(layers, act):
    network = nn.Sequential(*(nn.Linear(3, 3) for _ in range(layers)), act(inplace=True))
    wrapper = BookKeeping(network)
    with pytest.raises(PlanError, match=r"changed in place.*inplace=False"):
        wrapper.clipped_sum(wrapper(torch.randn(4, 3)).sum(1), 1.0, rows=4, records=1)


class AddsInPlace(nn.Module):
    """A residual connection, as many people write it."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, rows):
        hidden = functional.silu(self.first(rows))
        hidden += self.second(hidden)
        return hidden


def test_an_input_that_changes_after_a_layer_saw_it_is_refused():
    """Otherwise the layer's gradient would be taken at what it never saw."""
    torch.manual_seed(0)
    parts = torch.randn(5, 3), torch.rand(5) * 4
    with pytest.raises(PlanError, match="in place"):
        clipped(AddsInPlace(), weighed, parts, 1.0, rows=5, records=1)


class Folds(nn.Module):
    """Puts the positions of a row beside the rows, as many people do."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(3, 3) for _ in range(layers)))

    def forward(self, rows):
        return self.layers(rows.reshape(-1, 3)).view(len(rows), -1)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("mode", ["book-keeping", "hooks", "functorch"])
def test_a_layer_that_sees_other_rows_than_the_losses_is_refused(mode, layers):
    """One record's positions would count as units of their own: it could weigh several norms."""
    torch.manual_seed(0)
    parts = torch.randn(4, 4, 3), torch.ones(4)
    with pytest.raises(PlanError):
        clipped(Folds(layers), weighed, parts, 1.0, rows=4, records=1, mode=mode)
