"""The networks of each kind of data, by the kind's name.

Those of a kind that comes with safegen are `NETWORKS` in `models/<kind>.py`; those of a kind of
your own are registered beside it (`safegen.modality.by_kind`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from safegen.errors import InputError, PlanError
from safegen.modality.by_kind import ByKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from safegen.models.label_filter import LabelFilter
    from safegen.models.residual_noise import ResidualNoise
    from safegen.schemas.config import Architecture


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


def _require(kind: str, networks: Networks) -> None:
    """Refuse networks that cannot be made."""
    for each in fields(networks):
        made = getattr(networks, each.name)
        if not callable(made) and (made is not None or each.name in {"decoder", "encoder"}):
            raise InputError(
                f"the networks of {kind!r} have a {each.name} that cannot be made: give a function "
                "of an architecture"
            )


BY_KIND = ByKind(name="networks", value=Networks, package=__package__, require=_require)
register = BY_KIND.register
networks_of = BY_KIND.of


def discriminator_of(architecture: Architecture) -> nn.Module:
    """A GAN's discriminator.

    Raises:
        PlanError: the kind of data has none.
    """
    make = networks_of(architecture.shape.kind).discriminator
    if make is None:
        raise PlanError(f"there is no GAN of {architecture.shape.kind} data; choose --model vae")
    return make(architecture)
