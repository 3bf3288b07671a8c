"""The networks of each kind of data, by the kind's name.

Those of a kind that comes with safegen are `NETWORKS` in `models/<kind>.py`; those of a kind of
your own are registered beside it (`safegen.modality.registry`).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import TYPE_CHECKING

from safegen.errors import InputError, PlanError
from safegen.modality.registry import kind_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from safegen.models.grain import ResidualNoise
    from safegen.models.judge import LabelFilter
    from safegen.schemas.config import Architecture

_KNOWN: dict[str, Networks] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """How the networks of one kind of data are made, each of an architecture.

    Samples and their logits are (n, *dimensions), as the kind's modality says; samples lie in
    [0, 1], and a logit's sigmoid does. Every layer needs an exact per-sample gradient
    (`privacy.clipping.layer_gradients`), or a rehearsal refuses it.

    Attributes:
        decoder: makes (codes (n, latent), labels (n, classes)) -> logits. It looks at labels only
            where the architecture is `conditional`.
        encoder: likewise (samples, labels) -> (n, outputs), for a number of outputs.
        discriminator: (samples, labels) -> scores (n,); None where a GAN is not to be had.
        grain: texture that decoders leave out; None where there is none.
        judge: what a sample is taken for; None where none is to be had.
    """

    decoder: Callable[[Architecture], nn.Module]
    encoder: Callable[[Architecture, int], nn.Module]
    discriminator: Callable[[Architecture], nn.Module] | None = None
    grain: Callable[[Architecture], ResidualNoise] | None = None
    judge: Callable[[Architecture], LabelFilter] | None = None


def register(kind: str, networks: Networks) -> None:
    """Make the networks of a kind of data known.

    Raises:
        DataError: the kind itself is not known; register it first.
        InputError: these are no networks, or the kind has others already.
    """
    kind_named(kind)
    if not isinstance(networks, Networks):
        raise InputError(
            f"the networks of {kind!r} are a {type(networks).__name__}; give a "
            "safegen.models.registry.Networks"
        )
    for each in fields(networks):
        made = getattr(networks, each.name)
        if not callable(made) and (made is not None or each.name in {"decoder", "encoder"}):
            raise InputError(
                f"the networks of {kind!r} have a {each.name} that cannot be made: give a function "
                "of an architecture"
            )
    if kind in _KNOWN and _KNOWN[kind] != networks:
        raise InputError(f"the kind of data {kind!r} has networks already; name another kind")
    _KNOWN[kind] = networks


def networks_of(kind: str) -> Networks:
    """How the networks of a kind of data are made.

    Raises:
        DataError: the kind is not known.
        PlanError: it has no networks.
    """
    kind_named(kind)
    if kind not in _KNOWN and find_spec(f"{__package__}.{kind}") is not None:
        module = importlib.import_module(f"{__package__}.{kind}")
        if hasattr(module, "NETWORKS"):
            register(kind, module.NETWORKS)
    if kind not in _KNOWN:
        raise PlanError(
            f"the kind of data {kind!r} has no networks; register them with "
            "safegen.models.registry.register"
        )
    return _KNOWN[kind]


def discriminator_of(architecture: Architecture) -> nn.Module:
    """A GAN's discriminator.

    Raises:
        PlanError: the kind of data has none.
    """
    make = networks_of(architecture.shape.kind).discriminator
    if make is None:
        raise PlanError(f"there is no GAN of {architecture.shape.kind} data; choose --model vae")
    return make(architecture)
