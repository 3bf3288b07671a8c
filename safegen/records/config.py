"""What a model package says of itself: `config.json`.

{
  "format": "safegen.model/2", "name": "digits-vae", "safegen": "0.1.0",
  "created": "2026-11-20T10:00:00+00:00",
  "architecture": {"family": "vae", "channels": 1, "height": 32, "width": 32,
                   "classes": 10, "latent": 16, "base": 16},
  "recipe": {"learning_rate": 0.002, ...}, "seed": 0, "data": {...}
}
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from safegen.records.canonical import Record
from safegen.records.card import DataCard

Family = Literal["vae", "gan"]


class Architecture(Record):
    """Everything that fixes a generator's tensors.

    Attributes:
        family: how it was trained.
        channels: 1 for grey, 3 for RGB.
        height: pixels.
        width: pixels.
        classes: how many labels.
        latent: dimensions of the latent code.
        base: channels of the narrowest hidden layer.
    """

    family: Family
    channels: Literal[1, 3]
    height: PositiveInt
    width: PositiveInt
    classes: PositiveInt
    latent: PositiveInt
    base: PositiveInt


class Recipe(Record):
    """How a network is trained, apart from what determines epsilon.

    Attributes:
        learning_rate: of Adam on the private network, at its highest.
        generator_rate: of Adam on a GAN's generator, at its highest.
        betas: Adam's.
        loss_scale: a record's loss is divided by this, so that a clipping norm of 1 fits.
        beta: weight of the divergence in the VAE's objective.
        average_decay: of the moving average of the weights.
        latent_radius: bound on a latent code's norm in the release of the latent prior.
        generator_rows: generated pictures in a discriminator step; a public constant.
        discriminator_steps: private steps for each generator step.
    """

    learning_rate: PositiveFloat
    generator_rate: PositiveFloat | None
    betas: tuple[float, float]
    loss_scale: PositiveFloat
    beta: float
    average_decay: float
    latent_radius: PositiveFloat
    generator_rows: NonNegativeInt
    discriminator_steps: PositiveInt


class PackageConfig(Record):
    """A model package's description.

    Attributes:
        name: of the model.
        safegen: the version that trained it.
        created: ISO 8601, UTC.
        architecture: the generator's tensors.
        recipe: how it was trained, apart from privacy.
        seed: of the networks' first weights; never of noise or sampling.
        data: the published card of its data set.
    """

    format: Literal["safegen.model/2"] = "safegen.model/2"
    name: str
    safegen: str
    created: str
    architecture: Architecture
    recipe: Recipe
    seed: NonNegativeInt
    data: DataCard


class PackageDigests(Record):
    """Digests of what a package holds; the digest of this record names the model.

    Attributes:
        weights: of `weights.safetensors`.
        config: of `config.json`.
        certificate: of `certificate.json`.
    """

    weights: str
    config: str
    certificate: str
