"""The networks of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from safegen.models.gan import Discriminator
from safegen.models.label_filter import LabelFilter
from safegen.models.layers import Decoder, Encoder
from safegen.models.registry import Networks
from safegen.models.residual_noise import ResidualNoise
from safegen.schemas.card import PictureShape

if TYPE_CHECKING:
    from safegen.schemas.config import Architecture


class _Picture(TypedDict):
    """What decoder and encoder both need of an architecture."""

    channels: int
    height: int
    width: int
    labels: int
    base: int


def shape_of(architecture: Architecture) -> PictureShape:
    """The shape of the pictures that it makes."""
    assert isinstance(architecture.shape, PictureShape)
    return architecture.shape


def _picture(architecture: Architecture) -> _Picture:
    shape = shape_of(architecture)
    return {
        "channels": shape.channels,
        "height": shape.height,
        "width": shape.width,
        "labels": architecture.classes if architecture.conditional else 0,
        "base": architecture.base,
    }


def _grain(architecture: Architecture) -> ResidualNoise:
    shape = shape_of(architecture)
    return ResidualNoise((shape.channels, shape.height, shape.width))


NETWORKS = Networks(
    decoder=lambda made: Decoder(**_picture(made), latent=made.latent),
    encoder=lambda made, outputs: Encoder(**_picture(made), outputs=outputs),
    discriminator=lambda made: Discriminator(shape_of(made), base=made.base, classes=made.classes),
    grain=_grain,
    judge=lambda made: LabelFilter(made.classes, shape_of(made).channels),
)
