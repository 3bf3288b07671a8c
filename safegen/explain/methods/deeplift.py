"""What differences do, layer by layer: DeepLift with the rescale rule, by Captum.

After Shrikumar, Greenside, Kundaje 2017, section 3.5.1. It needs to see a network's nonlinear
functions one by one, so the decoder is traced and each of them becomes a module. All that comes
after the decoder (sigmoid, contrast, grain) is one function of each value, and is rescaled as one.

The prior multiplies inputs: code = places means + (places factors) noise. A difference of a product
is shared by halves, (F1 - F0)(n1 + n0) / 2 to the label and (F1 + F0)(n1 - n0) / 2 to the noise,
which adds up exactly.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import torch
from captum.attr import DeepLift
from captum.attr._core import deep_lift
from torch import Tensor, fx, nn
from torch.nn import functional

from safegen.errors import InputError
from safegen.explain.explainer import Attribution, average
from safegen.models.generator import LatentGenerator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from safegen.explain.baselines import BaselineOf
    from safegen.explain.explainer import Baseline
    from safegen.modality.base import Modality
    from safegen.models.generator import Generator, LatentDraw

SMALL_DIFFERENCE = 1e-6  # of a function's inputs, below which its slope stands for the quotient
POINTWISE_FUNCTIONS = (
    functional.silu,
    functional.leaky_relu,
    functional.relu,
    torch.sigmoid,
    torch.tanh,
)


@dataclass(frozen=True, slots=True)
class DeepLiftExplainer:
    """Captum's DeepLift through a traced decoder."""

    baseline: BaselineOf = average
    name: ClassVar[str] = "deeplift"

    def explain(self, generator: Generator, draw: LatentDraw, modality: Modality) -> Attribution:
        """Compare each sample's activations with its baseline's; see `Explainer.explain`.

        Raises:
            InputError: the generator's layers cannot be seen.
        """
        if not isinstance(generator, LatentGenerator):
            raise InputError(
                "deeplift must see a network's layers, and this generator has none; choose "
                "integrated-gradients or feature-ablation"
            )
        base = self.baseline(generator, draw)
        decoder = _traced(generator.decoder)
        weights = torch.from_numpy(modality.regions().weights)
        values = [
            _of_one(generator, decoder, weights, _Ends.of(draw, base, row))
            for row in range(len(draw))
        ]
        return Attribution(
            method=f"DeepLift with the rescale rule, captum {version('captum')}",
            baseline=base,
            settings={},
            values=torch.stack(values),
        )


@dataclass(frozen=True, slots=True)
class _Ends:
    """One sample's inputs, and its baseline's, a row each."""

    noise: tuple[Tensor, Tensor]
    places: tuple[Tensor, Tensor]
    grain: Tensor

    @classmethod
    def of(cls, draw: LatentDraw, base: Baseline, row: int) -> _Ends:
        one = slice(row, row + 1)
        return cls(
            (draw.noise[one], base.noise[one]),
            (draw.places[one], base.places[one]),
            draw.grain[one],
        )


class _Pointwise(nn.Module):
    """One of the network's nonlinear functions, or several in a row, of each number alone."""

    def __init__(self, function: Callable[..., Tensor], *settings: object) -> None:
        super().__init__()
        self._function, self._settings = function, settings

    def forward(self, values: Tensor) -> Tensor:
        return self._function(values, *self._settings)


class _Regions(nn.Module):
    """Codes and labels to regions, with every nonlinear function a module."""

    def __init__(self, decoder: nn.Module, finish: _Pointwise, weights: Tensor) -> None:
        super().__init__()
        self.decoder, self.finish, self.weights = decoder, finish, weights

    def forward(self, codes: Tensor, onehot: Tensor) -> Tensor:
        regions: Tensor = self.finish(self.decoder(codes, onehot)).flatten(1) @ self.weights.T
        return regions + 0 * onehot[:, :1]  # not every decoder looks at the label


def _of_one(generator: LatentGenerator, decoder: nn.Module, weights: Tensor, ends: _Ends) -> Tensor:
    """One sample's attributions, (regions, latents + 1)."""
    finish = _Pointwise(generator.finished, ends.grain)
    shape = (1, generator.classes, generator.components)
    onehot = [each.view(shape).sum(dim=2) for each in ends.places]
    with torch.no_grad():
        codes = [generator.prior(n, p) for n, p in zip(ends.noise, ends.places, strict=True)]
    count = len(weights)
    inputs, baselines = (
        (codes[end].repeat(count, 1), onehot[end].repeat(count, 1)) for end in (0, 1)
    )
    with _known_to_captum(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum says each time that it sets hooks
        method = DeepLift(
            _Regions(decoder, finish, weights), multiply_by_inputs=False, eps=SMALL_DIFFERENCE
        )
        of_code, of_label = method.attribute(inputs, baselines, target=torch.arange(count))
    of_code, of_label = of_code.detach(), of_label.detach()
    factors = [torch.einsum("nk,kij->ij", each, generator.prior.factors) for each in ends.places]
    (noise, base_noise), (places, base_places) = ends.noise, ends.places
    of_noise = (of_code @ (factors[0] + factors[1]) / 2) * (noise - base_noise)
    chosen = (places - base_places) @ generator.prior.means
    chosen = chosen + (noise + base_noise) @ (factors[0] - factors[1]).T / 2
    label = (of_code * chosen).sum(dim=1) + (of_label * (onehot[0] - onehot[1])).sum(dim=1)
    return torch.cat([of_noise, label[:, None]], dim=1)


def _traced(decoder: nn.Module) -> fx.GraphModule:
    """The decoder with its nonlinear functions as modules.

    Raises:
        InputError: it cannot be traced.
    """
    try:
        traced = fx.symbolic_trace(decoder)
    except (fx.proxy.TraceError, TypeError) as error:
        raise InputError(
            "deeplift cannot see this decoder's layers, since what it does depends on its input; "
            "choose integrated-gradients or feature-ablation"
        ) from error
    for number, node in enumerate(list(traced.graph.nodes)):
        if node.op == "call_function" and node.target in POINTWISE_FUNCTIONS:
            name = f"pointwise_{number}"
            traced.add_submodule(name, _Pointwise(node.target, *node.args[1:]))
            with traced.graph.inserting_after(node):
                node.replace_all_uses_with(found := traced.graph.call_module(name, node.args[:1]))
            found.args = (node.args[0],)
            traced.graph.erase_node(node)
    traced.recompile()
    return traced.eval()


@contextmanager
def _known_to_captum() -> Iterator[None]:
    """Captum rescales modules of classes that it has a list of."""
    deep_lift.SUPPORTED_NON_LINEAR[_Pointwise] = deep_lift.nonlinear
    try:
        yield
    finally:
        del deep_lift.SUPPORTED_NON_LINEAR[_Pointwise]
