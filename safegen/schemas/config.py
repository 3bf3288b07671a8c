"""What a model package says of itself: `config.json`.

{
  "format": "safegen.model/5", "name": "digits-vae", "safegen": "0.1.0",
  "created": "2026-11-20T10:00:00+00:00",
  "architecture": {"family": "vae", "channels": 1, "height": 32, "width": 32,
                   "classes": 10, "latent": 32, "base": 16, "components": 1, ...},
  "recipe": {"learning_rate": 0.002, ...}, "seed": 0, "data": {...}
}
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from safegen.schemas import choices
from safegen.schemas.canonical import Record
from safegen.schemas.card import DataCard, PictureShape, Shape

Family = choices.Family
WarmStart = choices.WarmStart
Adversarial = Literal["hinge", "non-saturating"]


class Architecture(Record):
    """Everything that fixes a generator's tensors.

    Attributes:
        family: how it was trained.
        shape: of one sample. That of a picture is written as `channels`, `height` and `width`, as
            in every version, and any other as `shape`, which names its kind of data.
        classes: how many labels.
        latent: dimensions of the latent code.
        base: channels of the narrowest hidden layer.
        components: Gaussians a class in the latent prior.
        conditional: whether the label enters the networks beside the code; where it does not, it
            only chooses where the code lies.
        contrast: what is cut from both ends of a picture's range, the rest being stretched.
        grain: whether fine texture is added to what the decoder makes.
        judged: whether a judge keeps drawn samples that look like their label, and has others drawn
            anew.
        weighted: whether it holds how often each class occurs, as was released with the latents.
    """

    family: Family
    shape: Shape
    classes: PositiveInt
    latent: PositiveInt
    base: PositiveInt
    components: PositiveInt = 1
    conditional: bool = True
    contrast: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    grain: bool = False
    judged: bool = False
    weighted: bool = False

    @model_validator(mode="before")
    @classmethod
    def _with_shape(cls, said: Any) -> Any:  # noqa: ANN401 - whatever is to be read
        if not isinstance(said, dict) or "shape" in said:
            return said
        sides = {name: said[name] for name in PictureShape.model_fields if name in said}
        return {name: value for name, value in said.items() if name not in sides} | {"shape": sides}

    @model_validator(mode="after")
    def _grey_or_rgb(self) -> Self:
        if isinstance(self.shape, PictureShape) and self.shape.channels not in {1, 3}:
            raise ValueError("a picture has 1 channel or 3")
        return self

    @model_serializer(mode="wrap")
    def _as_ever(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = handler(self)
        if isinstance(self.shape, PictureShape):
            family, shape = said.pop("family"), said.pop("shape")
            return {"family": family, **shape, **said}
        return said


class Recipe(Record):
    """How a network is trained, apart from what determines epsilon.

    Attributes:
        learning_rate: of Adam on the private network, at its highest.
        generator_rate: of Adam on a GAN's generator, at its highest.
        betas: Adam's.
        loss_scale: a record's loss is divided by this, so that a clipping norm of 1 fits.
        beta: weight of the divergence in the VAE's objective.
        free_bits: nats of divergence of each latent that cost nothing (Kingma et al. 2016).
        average_decay: of the moving average of the weights.
        latent_radius: bound on a latent code's norm in the release of the latent prior; null where
            public pictures told it.
        generator_rows: generated pictures in a discriminator step; a public constant.
        discriminator_steps: private steps for each generator step, at first.
        adversarial: the losses that discriminator and generator play with.
        r1: weight of the penalty on the discriminator's slope at records (Mescheder, Geiger,
            Nowozin 2018).
        least_accuracy: of the discriminator on generated pictures, below which the generator waits
            and private steps become more; 0 where it never waits.
        prior: what the networks' first weights were learnt from: pictures drawn by code, or the
            name of a public data set; null for nothing.
        prior_pictures: how many of them.
        prior_epochs: passes over them.
        warm_start: what was released before the steps, to learn from it; null for nothing.
    """

    learning_rate: PositiveFloat
    generator_rate: PositiveFloat | None
    betas: tuple[float, float]
    loss_scale: PositiveFloat
    beta: float
    average_decay: float
    free_bits: NonNegativeFloat = 0.0
    latent_radius: PositiveFloat | None = None
    generator_rows: NonNegativeInt
    discriminator_steps: PositiveInt
    adversarial: Adversarial = "non-saturating"
    r1: NonNegativeFloat = 0.0
    least_accuracy: Annotated[float, Field(ge=0, lt=1)] = 0.0
    prior: str | None = None
    prior_pictures: NonNegativeInt = 0
    prior_epochs: NonNegativeInt = 0
    warm_start: Literal["moments"] | None = None


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

    format: Literal["safegen.model/5", "safegen.model/4", "safegen.model/3", "safegen.model/2"] = (
        "safegen.model/5"
    )
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
